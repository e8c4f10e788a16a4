#include "commands/model.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>

namespace tenon::commands {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<tenon_tensor> to_runtime(std::span<const ops::Tensor> tensors) {
  std::vector<tenon_tensor> list;
  for (const ops::Tensor& tensor : tensors) {
    tenon_tensor& entry = list.emplace_back();
    entry.data = const_cast<std::byte*>(tensor.bytes());
    entry.dtype = static_cast<uint32_t>(tensor.dtype());
    entry.rank = static_cast<uint32_t>(tensor.rank());
    std::ranges::copy(tensor.shape(), entry.dims);
  }
  return list;
}

}  // namespace

std::unexpected<Error> fail(const tenon_error& error, const std::filesystem::path& file) {
  ErrorKind kind = ErrorKind::kRuntime;
  switch (error.code) {
    case TENON_ERROR_IO: kind = ErrorKind::kIo; break;
    case TENON_ERROR_FORMAT: kind = ErrorKind::kBadModel; break;
    case TENON_ERROR_CPU: kind = ErrorKind::kUnsupported; break;
    case TENON_ERROR_INPUT: kind = ErrorKind::kBadInput; break;
    default: break;
  }
  return tenon::fail(kind, error.message, {.file = file.string()});
}

Result<bool> is_artifact(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[sizeof(TENON_MAGIC) - 1] = {};
  if (!file || (!file.read(magic, sizeof(magic)) && !file.eof())) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot read '{}': {}", path.string(), std::strerror(errno)));
  }
  return path.extension() == ".tenon" || std::memcmp(magic, TENON_MAGIC, sizeof(magic)) == 0;
}

Result<Model> Model::with_context(tenon_model* loaded, const tenon_error& load_error,
                                  const std::filesystem::path& path) {
  if (!loaded) return fail(load_error, path);
  Model model;
  model.path_ = path;
  model.model_ = {loaded, tenon_free};
  tenon_error error = {};
  tenon_context* context = tenon_context_create(loaded, &error);
  if (!context) return fail(error, path);
  // A context goes before its model, in whatever order copies of this object go.
  model.context_ = {context, [keep = model.model_](tenon_context* c) { tenon_context_free(c); }};
  return model;
}

Result<Model> Model::load(driver::Artifact artifact, uint32_t threads,
                          const std::filesystem::path& path) {
  const auto start = std::chrono::steady_clock::now();
  tenon_error error = {};
  const tenon_options options = {threads, nullptr};
  const std::span<const std::byte> bytes = artifact.bytes();
  tenon_model* loaded = tenon_load_memory(bytes.data(), bytes.size(), &options, &error);
  TENON_TRY(Model model, with_context(loaded, error, path));
  model.artifact_ = std::move(artifact);
  model.load_seconds_ = seconds_since(start);
  return model;
}

Result<Model> Model::open(const std::filesystem::path& path, uint32_t threads,
                          const driver::CompileOptions& options) {
  TENON_TRY(const bool compiled_already, is_artifact(path));
  if (!compiled_already) {
    TENON_TRY(driver::CompiledModel compiled, driver::compile_file(path, options));
    TENON_TRY(Model model, load(std::move(compiled.artifact), threads, path));
    model.compile_seconds_ = compiled.seconds;
    return model;
  }
  const auto start = std::chrono::steady_clock::now();
  tenon_error error = {};
  const char* target = options.target == "native" ? nullptr : options.target.c_str();
  const tenon_options load_options = {threads, nullptr, target};
  tenon_model* loaded = tenon_load(path.c_str(), &load_options, &error);
  TENON_TRY(Model model, with_context(loaded, error, path));
  model.load_seconds_ = seconds_since(start);
  return model;
}

Result<std::vector<ops::Tensor>> Model::make_outputs(std::span<const ops::Tensor> inputs) const {
  const std::vector<tenon_tensor> in = to_runtime(inputs);
  std::vector<tenon_tensor> out(plan().output_count);
  tenon_error error = {};
  if (tenon_infer(context(), in.data(), out.data(), &error) != TENON_OK) return fail(error, path_);
  std::vector<ops::Tensor> outputs;
  for (const tenon_tensor& tensor : out) {
    outputs.emplace_back(static_cast<ir::DType>(tensor.dtype),
                         std::vector<int64_t>(tensor.dims, tensor.dims + tensor.rank));
  }
  return outputs;
}

Result<void> Model::run(std::span<const ops::Tensor> inputs, std::span<ops::Tensor> outputs) const {
  const std::vector<tenon_tensor> in = to_runtime(inputs);
  std::vector<tenon_tensor> out = to_runtime(outputs);
  tenon_error error = {};
  if (tenon_run(context(), in.data(), out.data(), &error) != TENON_OK) return fail(error, path_);
  for (size_t k = 0; k < out.size(); ++k) {
    outputs[k].keep_first({out[k].dims, out[k].dims + out[k].rank});
  }
  return {};
}

std::vector<std::pair<std::string, ops::Tensor>> named_outputs(const Model& model,
                                                               std::vector<ops::Tensor> outputs) {
  std::vector<std::pair<std::string, ops::Tensor>> named;
  for (size_t k = 0; k < outputs.size(); ++k)
    named.emplace_back(model.string(model.plan().outputs[k].name), std::move(outputs[k]));
  return named;
}

}  // namespace tenon::commands
