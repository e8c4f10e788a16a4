// tenon._compiler: models to .tenon files. The only module that maps LLVM.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/set.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <fstream>

#include "driver/code_cache.h"
#include "driver/compile.h"

namespace nb = nanobind;
using tenon::driver::CompiledModel;

namespace {

/// (kind, text): the package raises its own exception from it.
nb::object describe(const tenon::Error& error) {
  return nb::make_tuple(std::string(tenon::to_string(error.kind)), error.text());
}

/// A CompiledModel, or what `describe` gives.
nb::object compile(const std::string& path, const std::string& target, uint32_t threads,
                   std::map<std::string, std::vector<int64_t>> shapes,
                   std::map<std::string, int64_t> symbols, std::set<std::string> without,
                   const std::string& dump, const std::string& cache) {
  tenon::driver::CompileOptions options;
  options.target = target;
  options.threads = static_cast<int>(threads);
  options.shapes = std::move(shapes);
  options.symbols = std::move(symbols);
  options.without = std::move(without);
  options.dump = dump;
  options.cache = tenon::driver::cache_folder(cache);
  tenon::Result<CompiledModel> compiled = [&] {
    nb::gil_scoped_release unlocked;
    return tenon::driver::compile_file(path, options);
  }();
  if (!compiled) return describe(compiled.error());
  return nb::cast(std::move(*compiled));
}

}  // namespace

NB_MODULE(_compiler, m) {
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
      .def("save", [](const CompiledModel& c, const std::string& path) {
        const tenon::Result<void> saved = tenon::driver::save(c.artifact.bytes(), path);
        return saved ? nb::none() : describe(saved.error());
      });
  m.def("compile", &compile, nb::arg("path"), nb::arg("target"), nb::arg("threads"),
        nb::arg("shapes"), nb::arg("symbols"), nb::arg("without"), nb::arg("dump"),
        nb::arg("cache"));
}
