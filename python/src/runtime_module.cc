// tenon._runtime: loads and runs .tenon files. Never maps LLVM.
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <numpy/arrayobject.h>

#include <algorithm>
#include <array>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "openmp_team.h"
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

/// The package's exceptions and converters, which it hands over when it is imported.
struct Package {
  std::array<PyObject*, 7> errors;  // by TENON_ERROR code
  PyObject* argument_error;         // wrong number or names of arguments
  PyObject* adopt;                  // tenon._arrays.adopt
  PyObject* release;                // tenon._arrays.release
};
Package package = {};

[[noreturn]] void raise(PyObject* type, const std::string& message) {
  PyErr_SetString(type, message.c_str());
  throw nb::python_error();
}

[[noreturn]] void raise(const tenon_error& error) {
  raise(package.errors.at(static_cast<size_t>(error.code)), error.message);
}

[[noreturn]] void raise_input(const std::string& message) {
  raise(package.errors[TENON_ERROR_INPUT], message);
}

/// As many elements as asked for, without an allocation when they are few.
template <class T>
class Few {
 public:
  explicit Few(size_t count) {
    if (count > few_.size()) many_.resize(count);
    data_ = many_.empty() ? few_.data() : many_.data();
  }
  Few(const Few&) = delete;
  T& operator[](size_t i) { return data_[i]; }
  T* data() { return data_; }

 private:
  std::array<T, 8> few_{};
  std::vector<T> many_;
  T* data_;
};

/// A loaded model. Calls from several threads at once each get a context of their own.
class Model {
 public:
  /// `memory` keeps the bytes that the model was loaded from.
  Model(tenon_model* model, nb::object memory) : model_(model), memory_(std::move(memory)) {
    module_ = tenon_model_module(model);
  }
  ~Model() {
    for (tenon_context* context : idle_) tenon_context_free(context);
    tenon_free(model_);
  }
  Model(const Model&) = delete;

  /// Positional arguments are inputs in order; keywords (may be null) are inputs by name. Arrays of
  /// any strides; what is no array becomes one by `package.adopt`, which gives (array, dtype number
  /// or -1, whether it is a torch tensor).
  nb::object call(PyObject* args, PyObject* kwargs) {
    const size_t count = module_->input_count, positional = PyTuple_GET_SIZE(args);
    const size_t given = positional + (kwargs ? PyDict_GET_SIZE(kwargs) : 0);
    if (given != count) raise(package.argument_error, wrong_count(given));
    Few<PyObject*> inputs(count);
    for (size_t k = 0; k < positional; ++k) inputs[k] = PyTuple_GET_ITEM(args, k);
    PyObject *key = nullptr, *value = nullptr;
    for (Py_ssize_t at = 0; kwargs && PyDict_Next(kwargs, &at, &key, &value);) {
      const size_t k = input_index(nb::cast<std::string>(nb::handle(key)));
      if (inputs[k]) {
        raise(package.argument_error,
              "input '" + name(module_->inputs[k].name) + "' is given twice");
      }
      inputs[k] = value;
    }
    return run(inputs);
  }

  /// Runs on tensors that the caller lays out: the addresses of dense inputs of the dtypes that
  /// `describe` gives, all their sizes one after another, and the addresses of the outputs, which
  /// have room for what `shapes` says.
  void run_at(const nb::list& addresses, const nb::list& sizes, const nb::list& results) {
    const uint32_t in_count = module_->input_count, out_count = module_->output_count;
    Few<tenon_tensor> in(in_count), out(out_count);
    lay_out(addresses, sizes, in);
    if (results.size() != out_count) raise(package.argument_error, "wrong number of outputs");
    for (uint32_t k = 0; k < out_count; ++k) out[k].data = address(results, k);
    Lease lease{*this, take_context()};
    tenon_error error;
    int32_t status;
    {
      nb::gil_scoped_release unlocked;
      status = tenon_run(lease.context, in.data(), out.data(), &error);
    }
    if (status != TENON_OK) raise(error);
  }

  /// The outputs' shapes for such inputs.
  nb::list shapes(const nb::list& addresses, const nb::list& sizes) {
    const uint32_t out_count = module_->output_count;
    Few<tenon_tensor> in(module_->input_count), out(out_count);
    lay_out(addresses, sizes, in);
    Lease lease{*this, take_context()};
    tenon_error error;
    if (tenon_infer(lease.context, in.data(), out.data(), &error) != TENON_OK) raise(error);
    nb::list list;
    for (uint32_t k = 0; k < out_count; ++k) {
      nb::list shape;
      for (uint32_t axis = 0; axis < out[k].rank; ++axis) shape.append(out[k].dims[axis]);
      list.append(nb::tuple(shape));
    }
    return list;
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

 private:
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
    raise(package.argument_error,
          "the model has no input '" + wanted + "'; its inputs are " + names);
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

  static void* address(const nb::list& addresses, size_t k) {
    void* pointer = PyLong_AsVoidPtr(PyList_GET_ITEM(addresses.ptr(), static_cast<Py_ssize_t>(k)));
    if (!pointer && PyErr_Occurred()) throw nb::python_error();
    return pointer;
  }

  void lay_out(const nb::list& addresses, const nb::list& sizes, Few<tenon_tensor>& in) const {
    if (addresses.size() != module_->input_count)
      raise(package.argument_error, wrong_count(addresses.size()));
    size_t next = 0;
    for (uint32_t k = 0; k < module_->input_count; ++k) {
      const tenon_binding& binding = module_->inputs[k];
      in[k].data = address(addresses, k);
      in[k].dtype = binding.dtype;
      in[k].rank = binding.rank;
      for (uint32_t axis = 0; axis < binding.rank; ++axis, ++next) {
        if (next >= sizes.size()) raise(package.argument_error, "too few sizes");
        in[k].dims[axis] =
            PyLong_AsLongLong(PyList_GET_ITEM(sizes.ptr(), static_cast<Py_ssize_t>(next)));
        if (in[k].dims[axis] == -1 && PyErr_Occurred()) throw nb::python_error();
      }
    }
    if (next != sizes.size()) raise(package.argument_error, "too many sizes");
  }

  /// The argument as a dense tensor; `held` keeps what had to be made for it.
  tenon_tensor read_input(size_t k, PyObject* object, nb::object& held, bool& torch) const {
    auto named = [&] { return "input '" + name(module_->inputs[k].name) + "'"; };
    int dtype = -1;
    if (!PyArray_Check(object)) {
      const nb::object adopted = nb::steal(PyObject_CallOneArg(package.adopt, object));
      if (!adopted.is_valid()) throw nb::python_error();
      torch = torch || nb::cast<bool>(adopted[2]);
      dtype = nb::cast<int>(adopted[1]);
      held = adopted[0];
      object = held.ptr();
    }
    auto* array = reinterpret_cast<PyArrayObject*>(object);
    if (dtype < 0) dtype = dtype_of(array);
    if (dtype < 0) raise(package.argument_error, named() + " has a dtype that Tenon lacks");
    constexpr int kDense = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
    if (!PyArray_CHKFLAGS(array, kDense) || !PyArray_ISNOTSWAPPED(array)) {
      PyArray_Descr* native = PyArray_DescrFromType(PyArray_TYPE(array));
      held = nb::steal(PyArray_FromArray(array, native, kDense));
      if (!held.is_valid()) throw nb::python_error();
      array = reinterpret_cast<PyArrayObject*>(held.ptr());
    }
    const int rank = PyArray_NDIM(array);
    if (rank > static_cast<int>(TENON_MAX_RANK)) raise_input(named() + " has too many dimensions");
    tenon_tensor tensor = {
        PyArray_DATA(array), static_cast<uint32_t>(dtype), static_cast<uint32_t>(rank), {}};
    std::copy_n(PyArray_DIMS(array), rank, tensor.dims);
    return tensor;
  }

  nb::object run(Few<PyObject*>& inputs) {
    const uint32_t in_count = module_->input_count, out_count = module_->output_count;
    bool torch = false;
    Few<nb::object> held(in_count), results(out_count);
    Few<tenon_tensor> in(in_count), out(out_count);
    for (uint32_t k = 0; k < in_count; ++k) in[k] = read_input(k, inputs[k], held[k], torch);
    Lease lease{*this, take_context()};
    tenon_error error;
    if (tenon_infer(lease.context, in.data(), out.data(), &error) != TENON_OK) raise(error);
    for (uint32_t k = 0; k < out_count; ++k) {
      if (out[k].dtype == TENON_BF16 && !torch)
        raise_input("numpy has no bfloat16: call the model with torch tensors");
      npy_intp dims[TENON_MAX_RANK];
      std::copy_n(out[k].dims, out[k].rank, dims);
      results[k] = nb::steal(
          PyArray_SimpleNew(static_cast<int>(out[k].rank), dims, kNumpyTypes[out[k].dtype]));
      if (!results[k].is_valid()) throw nb::python_error();
      out[k].data = PyArray_DATA(reinterpret_cast<PyArrayObject*>(results[k].ptr()));
    }
    int32_t status;
    {
      nb::gil_scoped_release unlocked;
      status = tenon_run(lease.context, in.data(), out.data(), &error);
    }
    if (status != TENON_OK) raise(error);
    for (uint32_t k = 0; k < out_count; ++k)
      results[k] = first_elements(std::move(results[k]), out[k]);
    if (torch) {
      for (uint32_t k = 0; k < out_count; ++k)
        results[k] = nb::handle(package.release)(results[k], static_cast<int>(out[k].dtype));
    }
    if (out_count == 1) return std::move(results[0]);
    nb::list list;
    for (uint32_t k = 0; k < out_count; ++k) list.append(std::move(results[k]));
    return list;
  }

  /// The array itself, or the part of its memory that a result takes up whose size data decides.
  static nb::object first_elements(nb::object array, const tenon_tensor& result) {
    auto* whole = reinterpret_cast<PyArrayObject*>(array.ptr());
    npy_intp dims[TENON_MAX_RANK];
    std::copy_n(result.dims, result.rank, dims);
    if (std::equal(dims, dims + result.rank, PyArray_DIMS(whole))) return array;
    nb::object part = nb::steal(PyArray_SimpleNewFromData(
        static_cast<int>(result.rank), dims, PyArray_TYPE(whole), PyArray_DATA(whole)));
    if (!part.is_valid()) throw nb::python_error();
    PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(part.ptr()), array.release().ptr());
    return part;
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

void load(Model* self, const std::string& path, uint32_t threads) {
  tenon_error error = {};
  const tenon_options options = {threads, nullptr};
  tenon_model* model = nullptr;
  {
    nb::gil_scoped_release unlocked;
    model = tenon_load(path.c_str(), &options, &error);
  }
  if (!model) raise(error);
  new (self) Model(model, nb::none());
}

void load_memory(Model* self, nb::object buffer, uint64_t address, uint64_t bytes, uint32_t threads,
                 bool on_openmp) {
  tenon_error error = {};
  tenon_options options = {threads, nullptr};
  const tenon_pool team = openmp_team(threads);
  if (on_openmp && team.run) options.pool = &team;
  tenon_model* model =
      tenon_load_memory(reinterpret_cast<const void*>(address), bytes, &options, &error);
  if (!model) raise(error);
  new (self) Model(model, std::move(buffer));
}

/// The type's call slot: no dispatch lies between Python and it.
PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) {
  if (!nb::inst_ready(self)) {
    PyErr_SetString(PyExc_TypeError, "the model was not loaded");
    return nullptr;
  }
  try {
    return nb::inst_ptr<Model>(self)->call(args, kwargs).release().ptr();
  } catch (nb::python_error& error) {
    error.restore();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

/// A line of memory of each of some tensors as it was when this was made, to see whether somebody
/// wrote there since.
class Probe {
 public:
  /// Addresses and sizes in bytes; the line in the middle of each is kept.
  Probe(const std::vector<uint64_t>& addresses, const std::vector<uint64_t>& bytes) {
    for (size_t k = 0; k < addresses.size(); ++k) {
      Line line = {reinterpret_cast<const char*>(addresses[k]), std::min<size_t>(bytes[k], 64), {}};
      line.place += (bytes[k] - line.count) / 2;
      std::copy_n(line.place, line.count, line.bytes.data());
      lines_.push_back(line);
    }
  }
  /// The tensors must still be there.
  bool same() const {
    return std::ranges::all_of(lines_, [](const Line& line) {
      return std::equal(line.place, line.place + line.count, line.bytes.data());
    });
  }

 private:
  struct Line {
    const char* place;
    size_t count;
    std::array<char, 64> bytes;
  };
  std::vector<Line> lines_;
};

int import_numpy() {
  import_array1(-1);
  return 0;
}

}  // namespace

NB_MODULE(_runtime, m) {
  // PyTorch keeps what it compiled until the process ends.
  nb::set_leak_warnings(false);
  if (import_numpy() < 0) throw nb::python_error();
  static PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(&call)}, {0, nullptr}};
  nb::class_<Model>(m, "Model", nb::type_slots(slots))
      .def("__init__", &load, nb::arg("path"), nb::arg("threads"))
      .def("__init__", &load_memory, nb::arg("buffer"), nb::arg("address"), nb::arg("bytes"),
           nb::arg("threads"), nb::arg("on_openmp") = false)
      .def("_run_at", &Model::run_at, nb::arg("addresses"), nb::arg("sizes"), nb::arg("results"))
      .def("_shapes", &Model::shapes, nb::arg("addresses"), nb::arg("sizes"))
      .def("_describe", &Model::describe, nb::arg("outputs"))
      .def("_profile", &Model::profile, nb::arg("on"))
      .def("_profile_times", &Model::profile_times)
      .def_prop_ro("threads", &Model::threads, "How many threads a call uses at most.")
      .def_prop_ro("weight_bytes", &Model::weight_bytes, "Bytes of weights, packed.");
  nb::class_<Probe>(m, "Probe")
      .def(nb::init<const std::vector<uint64_t>&, const std::vector<uint64_t>&>(),
           nb::arg("addresses"), nb::arg("bytes"))
      .def("same", &Probe::same);
  m.def("set_package", [](const nb::list& errors, nb::object argument_error, nb::object adopt,
                          nb::object release) {
    for (size_t code = 0; code < package.errors.size(); ++code)
      package.errors[code] = nb::object(errors[code]).release().ptr();
    package.argument_error = argument_error.release().ptr();
    package.adopt = adopt.release().ptr();
    package.release = release.release().ptr();
  });
}
