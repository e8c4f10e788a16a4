// tenon._runtime: loads and runs .tenon files. Never maps LLVM.
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <numpy/arrayobject.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/abi.h"

namespace nb = nanobind;

namespace {

constexpr std::array<int, 13> kNumpyTypes = {
    NPY_BOOL,   NPY_INT8,   NPY_INT16, NPY_INT32,  NPY_INT64, NPY_UINT8, NPY_UINT16,
    NPY_UINT32, NPY_UINT64, NPY_HALF,  NPY_UINT16, NPY_FLOAT, NPY_DOUBLE};
constexpr std::array<const char*, 13> kTypeNames = {
    "bool",   "int8",   "int16",   "int32",    "int64",   "uint8",  "uint16",
    "uint32", "uint64", "float16", "bfloat16", "float32", "float64"};

/// The tenon dtype of an array, or -1.
int dtype_of(PyArrayObject* array) {
  const int type = PyArray_TYPE(array);
  if (type == NPY_LONGLONG) return TENON_I64;
  if (type == NPY_ULONGLONG) return TENON_U64;
  for (size_t i = 0; i < kNumpyTypes.size(); ++i) {
    if (kNumpyTypes[i] == type) return static_cast<int>(i);
  }
  return -1;
}

[[noreturn]] void raise(const tenon_error& error) {
  PyObject* type = error.code == TENON_ERROR_INPUT    ? PyExc_ValueError
                   : error.code == TENON_ERROR_IO     ? PyExc_OSError
                   : error.code == TENON_ERROR_KERNEL ? PyExc_IndexError
                                                      : PyExc_RuntimeError;
  PyErr_SetString(type, error.message);
  throw nb::python_error();
}

[[noreturn]] void raise(PyObject* type, const std::string& message) {
  PyErr_SetString(type, message.c_str());
  throw nb::python_error();
}

/// A loaded model. Calls from several threads at once each get a context of their own.
class Model {
 public:
  Model(tenon_model* model, nb::object memory) : model_(model), memory_(std::move(memory)) {
    module_ = tenon_model_module(model);
  }
  ~Model() {
    for (tenon_context* context : idle_) tenon_context_free(context);
    tenon_free(model_);
  }
  Model(const Model&) = delete;

  /// Positional arguments are inputs in order; keywords are inputs by name. Arrays of any strides.
  /// `adopt` turns an object that is no array into (array, dtype number or -1, whether it is a
  /// torch tensor).
  nb::object call(nb::args args, nb::kwargs kwargs) {
    const uint32_t count = module_->input_count;
    if (args.size() + kwargs.size() != count)
      raise(PyExc_TypeError, wrong_count(args.size() + kwargs.size()));
    std::array<PyObject*, kFewInputs> few{};
    std::vector<PyObject*> many(count > kFewInputs ? count : 0);
    PyObject** inputs = many.empty() ? few.data() : many.data();
    for (size_t k = 0; k < args.size(); ++k) inputs[k] = args[k].ptr();
    for (auto [key, value] : kwargs) {
      const size_t k = input_index(nb::cast<std::string>(key));
      if (inputs[k])
        raise(PyExc_TypeError, "input '" + name(module_->inputs[k].name) + "' is given twice");
      inputs[k] = value.ptr();
    }
    return run(inputs);
  }

  nb::list describe(bool outputs) const {
    nb::list list;
    const uint32_t count = outputs ? module_->output_count : module_->input_count;
    const tenon_binding* bindings = outputs ? module_->outputs : module_->inputs;
    for (uint32_t k = 0; k < count; ++k) {
      nb::list shape;
      for (uint32_t axis = 0; axis < bindings[k].rank; ++axis) {
        const tenon_slot& slot = module_->slots[bindings[k].dims[axis]];
        if (slot.op == TENON_SLOT_CONSTANT) {
          shape.append(slot.value);
        } else {
          shape.append(nb::none());
        }
      }
      list.append(
          nb::make_tuple(name(bindings[k].name), nb::tuple(shape), kTypeNames[bindings[k].dtype]));
    }
    return list;
  }

  void profile(bool on) {
    std::lock_guard lock(mutex_);
    for (tenon_context* context : idle_) tenon_profile(context, on);
    profiling_ = on;
  }

  /// (step name, seconds, flops, bytes) of the runs since profiling began.
  nb::list profile_times() {
    std::lock_guard lock(mutex_);
    nb::list list;
    if (idle_.empty()) return list;
    const tenon_step_time* times = tenon_profile_times(idle_.back());
    for (uint32_t i = 0; times && i < module_->step_count; ++i) {
      list.append(nb::make_tuple(name(module_->steps[i].name),
                                 1e-9 * static_cast<double>(times[i].nanoseconds), times[i].flops,
                                 times[i].bytes));
    }
    return list;
  }

  uint32_t threads() const { return tenon_model_threads(model_); }
  uint64_t weight_bytes() const { return module_->weight_bytes; }

  static inline PyObject* adopt = nullptr;    // tenon._arrays.adopt
  static inline PyObject* release = nullptr;  // tenon._arrays.release

 private:
  static constexpr size_t kFewInputs = 8;

  std::string name(uint32_t offset) const { return module_->strings + offset; }

  std::string wrong_count(size_t got) const {
    std::string names;
    for (uint32_t k = 0; k < module_->input_count; ++k) {
      names += (k ? ", " : "") + name(module_->inputs[k].name);
    }
    return "the model takes " + std::to_string(module_->input_count) + " inputs (" + names +
           ") but the call gives " + std::to_string(got);
  }

  size_t input_index(const std::string& wanted) const {
    for (uint32_t k = 0; k < module_->input_count; ++k) {
      if (wanted == module_->strings + module_->inputs[k].name) return k;
    }
    std::string names;
    for (uint32_t k = 0; k < module_->input_count; ++k) {
      names += (k ? ", " : "") + name(module_->inputs[k].name);
    }
    raise(PyExc_TypeError, "the model has no input '" + wanted + "'; its inputs are " + names);
  }

  tenon_context* take_context() {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        tenon_context* context = idle_.back();
        idle_.pop_back();
        return context;
      }
    }
    tenon_error error = {};
    tenon_context* context = tenon_context_create(model_, &error);
    if (!context) raise(error);
    if (profiling_) tenon_profile(context, 1);
    return context;
  }

  void give_back(tenon_context* context) {
    std::lock_guard lock(mutex_);
    idle_.push_back(context);
  }

  nb::object run(PyObject** inputs) {
    const uint32_t in_count = module_->input_count, out_count = module_->output_count;
    std::vector<nb::object> held;  // contiguous copies and adopted arrays
    bool torch = false;
    std::vector<tenon_tensor> in(in_count), out(out_count);
    for (uint32_t k = 0; k < in_count; ++k) {
      PyObject* object = inputs[k];
      int dtype = -1;
      if (!PyArray_Check(object)) {
        nb::object pair = nb::steal(PyObject_CallOneArg(adopt, object));
        if (!pair.is_valid()) throw nb::python_error();
        torch = torch || nb::cast<bool>(pair[2]);
        dtype = nb::cast<int>(pair[1]);
        held.push_back(pair[0]);
        object = held.back().ptr();
      }
      auto* array = reinterpret_cast<PyArrayObject*>(object);
      if (dtype < 0) dtype = dtype_of(array);
      if (dtype < 0)
        raise(PyExc_TypeError,
              "input '" + name(module_->inputs[k].name) + "' has a dtype that Tenon lacks");
      if (!PyArray_IS_C_CONTIGUOUS(array) || !PyArray_ISALIGNED(array) ||
          !PyArray_ISNOTSWAPPED(array)) {
        held.push_back(nb::steal(PyArray_NewCopy(array, NPY_CORDER)));
        array = reinterpret_cast<PyArrayObject*>(held.back().ptr());
      }
      const int rank = PyArray_NDIM(array);
      if (rank > static_cast<int>(TENON_MAX_RANK)) {
        raise(PyExc_ValueError,
              "input '" + name(module_->inputs[k].name) + "' has too many dimensions");
      }
      in[k] = {PyArray_DATA(array), static_cast<uint32_t>(dtype), static_cast<uint32_t>(rank), {}};
      std::copy_n(PyArray_DIMS(array), rank, in[k].dims);
    }
    Lease lease{*this, take_context()};
    tenon_error error = {};
    if (tenon_infer(lease.context, in.data(), out.data(), &error) != TENON_OK) raise(error);
    std::vector<nb::object> results;
    for (tenon_tensor& tensor : out) {
      npy_intp dims[TENON_MAX_RANK];
      std::copy_n(tensor.dims, tensor.rank, dims);
      results.push_back(nb::steal(
          PyArray_SimpleNew(static_cast<int>(tensor.rank), dims, kNumpyTypes[tensor.dtype])));
      if (!results.back().is_valid()) throw nb::python_error();
      tensor.data = PyArray_DATA(reinterpret_cast<PyArrayObject*>(results.back().ptr()));
    }
    int32_t status;
    {
      nb::gil_scoped_release unlocked;
      status = tenon_run(lease.context, in.data(), out.data(), &error);
    }
    if (status != TENON_OK) raise(error);
    for (uint32_t k = 0; k < out_count; ++k) {
      if (torch) {
        results[k] = nb::handle(release)(results[k], static_cast<int>(out[k].dtype));
      } else if (out[k].dtype == TENON_BF16) {
        raise(PyExc_TypeError, "numpy has no bfloat16: call the model with torch tensors");
      }
    }
    if (out_count == 1) return results[0];
    nb::list list;
    for (nb::object& result : results) list.append(std::move(result));
    return list;
  }

  struct Lease {
    Model& model;
    tenon_context* context;
    ~Lease() { model.give_back(context); }
  };

  tenon_model* model_;
  const tenon_module* module_;
  nb::object memory_;
  std::mutex mutex_;
  std::vector<tenon_context*> idle_;
  bool profiling_ = false;
};

std::unique_ptr<Model> load(const std::string& path, uint32_t threads) {
  tenon_error error = {};
  const tenon_options options = {threads, nullptr};
  tenon_model* model = nullptr;
  {
    nb::gil_scoped_release unlocked;
    model = tenon_load(path.c_str(), &options, &error);
  }
  if (!model) raise(error);
  return std::make_unique<Model>(model, nb::none());
}

std::unique_ptr<Model> load_memory(nb::object buffer, uint64_t address, uint64_t bytes,
                                   uint32_t threads) {
  tenon_error error = {};
  const tenon_options options = {threads, nullptr};
  tenon_model* model =
      tenon_load_memory(reinterpret_cast<const void*>(address), bytes, &options, &error);
  if (!model) raise(error);
  return std::make_unique<Model>(model, std::move(buffer));
}

int import_numpy() {
  import_array1(-1);
  return 0;
}

}  // namespace

NB_MODULE(_runtime, m) {
  if (import_numpy() < 0) throw nb::python_error();
  nb::class_<Model>(m, "Model")
      .def("__call__", &Model::call)
      .def("describe", &Model::describe, nb::arg("outputs"))
      .def("profile", &Model::profile, nb::arg("on"))
      .def("profile_times", &Model::profile_times)
      .def_prop_ro("threads", &Model::threads)
      .def_prop_ro("weight_bytes", &Model::weight_bytes);
  m.def("load", &load, nb::arg("path"), nb::arg("threads"));
  m.def("load_memory", &load_memory, nb::arg("buffer"), nb::arg("address"), nb::arg("bytes"),
        nb::arg("threads"));
  m.def("set_converters", [](nb::object adopt, nb::object release) {
    Model::adopt = adopt.release().ptr();
    Model::release = release.release().ptr();
  });
}
