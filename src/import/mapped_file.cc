#include "import/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tenon::import {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> io_error(const fs::path& path, std::string_view what) {
  return fail(ErrorKind::kIo, std::string(what), {.file = path.string()});
}

/// A descriptor that closes itself.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

bool is_beneath(const fs::path& file, const fs::path& directory) {
  auto [rest, part] = std::mismatch(directory.begin(), directory.end(), file.begin(), file.end());
  return rest == directory.end();
}

bool is_safe_location(std::string_view location) {
  if (location.empty() || location.find('\0') != std::string_view::npos) return false;
  if (location.find('\\') != std::string_view::npos || location.find(':') < 2) return false;
  const fs::path path(location);
  return path.is_relative() &&
         std::ranges::none_of(path, [](const fs::path& part) { return part == ".."; });
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const fs::path& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat status = {};
  if (file.fd < 0 || fstat(file.fd, &status) != 0) return io_error(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return io_error(path, "not a regular file");
  std::shared_ptr<MappedFile> mapped(new MappedFile());
  const auto size = static_cast<size_t>(status.st_size);
  if (size != 0) {
    void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (address == MAP_FAILED) return io_error(path, std::strerror(errno));
    mapped->bytes_ = {static_cast<const std::byte*>(address), size};
  }
  return mapped;
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open_beneath(const fs::path& directory,
                                                                   const fs::path& model,
                                                                   std::string_view location) {
  if (!is_safe_location(location)) {
    return fail(ErrorKind::kBadModel,
                fmt::format("external data at '{}' is refused: the location must be a relative "
                            "path without '..'",
                            location),
                {.file = model.string()});
  }
  std::error_code error;
  const fs::path file = fs::canonical(directory / location, error);
  if (error) return io_error(directory / location, error.message());
  const fs::path here = fs::canonical(directory, error);
  const fs::path model_home = fs::canonical(model, error).parent_path();
  if (!is_beneath(file, here) && (model_home.empty() || !is_beneath(file, model_home))) {
    return fail(ErrorKind::kBadModel,
                fmt::format("external data at '{}' is refused: it is a link to a file outside the "
                            "model's directory",
                            location),
                {.file = model.string()});
  }
  return open(file);
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace tenon::import
