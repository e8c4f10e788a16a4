#include "runtime/model.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/check_module.h"
#include "runtime/cpu.h"
#include "runtime/error.h"

namespace tenon::runtime {
namespace {

constexpr const char* kInMemory = "model in memory";

/// A file descriptor that is closed when it goes.
class File {
 public:
  explicit File(const char* path) : descriptor_(open(path, O_RDONLY | O_CLOEXEC)) {}
  File(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

tenon_model* out_of_memory(const char* source, tenon_error* error) {
  fail(error, TENON_ERROR_MEMORY, "%s: no memory left to load the model", source);
  return nullptr;
}

int32_t io_error(const char* path, const char* what, tenon_error* error) {
  return fail(error, TENON_ERROR_IO, "%s: %s: %s", path, what, std::strerror(errno));
}

int32_t map_file(const File& file, const char* path, Mapping& mapping, tenon_error* error) {
  struct stat status;
  if (file.descriptor() < 0 || fstat(file.descriptor(), &status) != 0) {
    return io_error(path, "cannot open the file", error);
  }
  if (!S_ISREG(status.st_mode)) return fail(error, TENON_ERROR_IO, "%s: not a file", path);
  if (status.st_size == 0) return fail(error, TENON_ERROR_FORMAT, "%s: the file is empty", path);
  mapping = Mapping::of_file(file.descriptor(), static_cast<size_t>(status.st_size));
  return mapping.data() ? TENON_OK : io_error(path, "cannot map the file", error);
}

/// Gives the model its threads, as the last act of loading. Takes over `model`.
tenon_model* with_pool(tenon_model* model, const tenon_options* options, const char* source,
                       tenon_error* error) {
  if (options && options->pool) {
    model->pool = *options->pool;
    if (model->pool.threads == 0) model->pool.threads = 1;
    return model;
  }
  uint32_t threads = options && options->threads ? options->threads : usable_threads();
  model->shared_pool = ThreadPool::share(threads);
  if (!model->shared_pool) {
    delete model;
    return out_of_memory(source, error);
  }
  model->pool = model->shared_pool->interface();
  return model;
}

/// Builds the model of a checked image. `file` may be empty.
tenon_model* from_image(Image& image, Mapping file, Mapping code, const tenon_options* options,
                        const char* source, tenon_error* error) {
  tenon_error ignored;
  if (image.set_code(code.data(), source, error ? error : &ignored)) return nullptr;
  auto* model = new tenon_model;
  if (!model) return out_of_memory(source, error);
  model->module = image.module;
  std::memcpy(model->target, image.header.target, sizeof model->target);
  model->kernels = std::move(image.kernels);
  model->file = std::move(file);
  model->code = std::move(code);
  return with_pool(model, options, source, error);
}

}  // namespace
}  // namespace tenon::runtime

using namespace tenon::runtime;

tenon_model* tenon_load(const char* path, const tenon_options* options, tenon_error* error) {
  File file(path);
  Mapping mapping;
  if (map_file(file, path, mapping, error)) return nullptr;
  Image image;
  const char* target = options ? options->target : nullptr;
  if (read_fitting_image({mapping.data(), mapping.size()}, path, target, image, error)) {
    return nullptr;
  }
  Mapping code;
  if (image.header.code_bytes > 0) {
    code = Mapping::of_code(file.descriptor(), image.header.code_offset, image.header.code_bytes);
    if (!code.data()) {
      io_error(path, "cannot map the code as executable (is the file system mounted noexec?)",
               error);
      return nullptr;
    }
  }
  return from_image(image, std::move(mapping), std::move(code), options, path, error);
}

tenon_model* tenon_load_memory(const void* bytes, size_t count, const tenon_options* options,
                               tenon_error* error) {
  if (reinterpret_cast<uintptr_t>(bytes) % 4096 != 0) {
    fail(error, TENON_ERROR_FORMAT, "%s: its bytes do not start at a multiple of 4096", kInMemory);
    return nullptr;
  }
  auto* start = static_cast<const std::byte*>(bytes);
  Image image;
  const char* target = options ? options->target : nullptr;
  if (read_fitting_image({start, count}, kInMemory, target, image, error)) return nullptr;
  Mapping code;
  if (image.header.code_bytes > 0) {
    code = Mapping::copy_of_code(start + image.header.code_offset, image.header.code_bytes);
    if (!code.data()) {
      io_error(kInMemory, "cannot make pages for its code executable", error);
      return nullptr;
    }
  }
  return from_image(image, {}, std::move(code), options, kInMemory, error);
}

tenon_model* tenon_load_module(const tenon_module* module, const tenon_options* options,
                               tenon_error* error) {
  if (check_module(*module, kInMemory, error)) return nullptr;
  auto* model = new tenon_model;
  if (!model) return out_of_memory(kInMemory, error);
  model->module = *module;
  return with_pool(model, options, kInMemory, error);
}

void tenon_free(tenon_model* model) { delete model; }

int32_t tenon_verify_file(const char* path, tenon_error* error) {
  File file(path);
  Mapping mapping;
  if (int32_t code = map_file(file, path, mapping, error)) return code;
  return verify_images({mapping.data(), mapping.size()}, path, error);
}

const tenon_module* tenon_model_module(const tenon_model* model) { return &model->module; }

uint32_t tenon_model_threads(const tenon_model* model) { return model->pool.threads; }

const char* tenon_model_target(const tenon_model* model) { return model->target; }
