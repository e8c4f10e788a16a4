// tenon._compiler: models to .tenon files. The only module that maps LLVM.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/set.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "base/target.h"
#include "driver/code_cache.h"
#include "driver/compile.h"
#include "measure/roofline.h"
#include "runtime/abi.h"

namespace nb = nanobind;
using tenon::driver::CompiledModel;

namespace {

/// (kind, text, [(node, message)]): the package raises its own exception from it.
nb::object describe(const tenon::Error& error) {
  std::vector<std::tuple<std::string, std::string>> nodes;
  for (const tenon::Diagnostic& diagnostic : error.diagnostics)
    nodes.emplace_back(diagnostic.where.node, diagnostic.message);
  return nb::make_tuple(std::string(tenon::to_string(error.kind)), error.text(), nodes);
}

/// A CompiledModel, or what `describe` gives.
nb::object compile(const std::string& path, const std::string& target, uint32_t threads,
                   std::map<std::string, std::vector<int64_t>> shapes,
                   std::map<std::string, int64_t> symbols, std::set<std::string> without,
                   const std::string& dump, const std::string& cache,
                   const std::string& operators) {
  tenon::driver::CompileOptions options;
  options.target = target;
  options.threads = static_cast<int>(threads);
  options.shapes = std::move(shapes);
  options.symbols = std::move(symbols);
  options.without = std::move(without);
  options.dump = dump;
  options.operators = operators;
  options.cache = tenon::driver::cache_folder(cache);
  tenon::Result<CompiledModel> compiled = [&] {
    nb::gil_scoped_release unlocked;
    return tenon::driver::compile_file(path, options);
  }();
  if (!compiled) return describe(compiled.error());
  return nb::cast(std::move(*compiled));
}

tenon_file_header header_of(const CompiledModel& compiled) {
  tenon_file_header header;
  std::memcpy(&header, compiled.artifact.bytes().data(), sizeof(header));
  return header;
}

/// (name, bytes of a vector), or what `describe` gives.
nb::object target(const std::string& name) {
  const tenon::Result<tenon::Target> found = tenon::find_target(name);
  if (!found) return describe(found.error());
  return nb::make_tuple(found->name, found->vector_bytes);
}

/// Definitions by name of the operators that a text defines, or what `describe` gives.
nb::object custom_operators(const std::string& text) {
  const auto operators = tenon::driver::custom_operators(text);
  return operators ? nb::cast(*operators) : describe(operators.error());
}

/// (flops per second, bytes per second).
nb::tuple roofline(uint32_t threads, int vector_bytes) {
  const tenon::measure::Roofline measured = [&] {
    nb::gil_scoped_release unlocked;
    return tenon::measure::measure_roofline(threads, vector_bytes);
  }();
  return nb::make_tuple(measured.flops_per_second, measured.bytes_per_second);
}

nb::list optional_steps() {
  nb::list list;
  for (const std::string& name : tenon::driver::optional_step_names()) list.append(name);
  return list;
}

/// Address of dense elements, dtype numbered as in runtime/abi.h, shape.
using Elements = std::tuple<uint64_t, uint8_t, std::vector<int64_t>>;

/// A CompiledModel, or what `describe` gives.
nb::object compile_aten(const std::string& graph, const std::map<std::string, Elements>& parameters,
                        const std::string& target, std::set<std::string> without,
                        const std::string& cache, const std::string& operators) {
  tenon::driver::CompileOptions options;
  options.target = target;
  options.operators = operators;
  options.without = std::move(without);
  options.cache = tenon::driver::cache_folder(cache);
  tenon::driver::Parameters given;
  for (const auto& [name, elements] : parameters) {
    const auto& [address, dtype, shape] = elements;
    given[name] = {{static_cast<tenon::ir::DType>(dtype), {shape.begin(), shape.end()}},
                   reinterpret_cast<const std::byte*>(address)};
  }
  tenon::Result<CompiledModel> compiled = [&] {
    nb::gil_scoped_release unlocked;
    return tenon::driver::compile_aten(graph, given, options);
  }();
  if (!compiled) return describe(compiled.error());
  return nb::cast(std::move(*compiled));
}

}  // namespace

NB_MODULE(_compiler, m) {
  // PyTorch keeps what it compiled until the process ends.
  nb::set_leak_warnings(false);
  nb::class_<CompiledModel>(m, "CompiledModel")
      .def_prop_ro("address",
                   [](const CompiledModel& c) {
                     return reinterpret_cast<uint64_t>(c.artifact.bytes().data());
                   })
      .def_prop_ro("bytes", [](const CompiledModel& c) { return c.artifact.bytes().size(); })
      .def_prop_ro("seconds", [](const CompiledModel& c) { return c.seconds; })
      .def_prop_ro("steps",
                   [](const CompiledModel& c) {
                     nb::list list;
                     for (const auto& step : c.steps)
                       list.append(nb::make_tuple(step.name, step.seconds));
                     return list;
                   })
      .def_prop_ro("target",
                   [](const CompiledModel& c) { return std::string(header_of(c).target); })
      // Equal for models of equal plan, code and weights.
      .def_prop_ro("identity",
                   [](const CompiledModel& c) {
                     const tenon_file_header header = header_of(c);
                     return nb::make_tuple(header.plan_hash, header.code_hash, header.weights_hash);
                   })
      .def("save", [](const CompiledModel& c, const std::string& path) {
        const tenon::Result<void> saved = tenon::driver::save(c.artifact.bytes(), path);
        return saved ? nb::none() : describe(saved.error());
      });
  m.def("compile", &compile, nb::arg("path"), nb::arg("target"), nb::arg("threads"),
        nb::arg("shapes"), nb::arg("symbols"), nb::arg("without"), nb::arg("dump"),
        nb::arg("cache"), nb::arg("operators"));
  m.def("custom_operators", &custom_operators, nb::arg("text"));
  m.def("target", &target, nb::arg("name"));
  m.def("roofline", &roofline, nb::arg("threads"), nb::arg("vector_bytes"));
  m.def("optional_steps", &optional_steps);
  m.def("compile_aten", &compile_aten, nb::arg("graph"), nb::arg("parameters"), nb::arg("target"),
        nb::arg("without"), nb::arg("cache"), nb::arg("operators"));
  m.def("imports_aten", &tenon::driver::imports_aten, nb::arg("name"));
}
