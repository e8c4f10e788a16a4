#include "commands/npz.h"

#include <fmt/format.h>
#include <minizip/unzip.h>
#include <minizip/zip.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "commands/npy.h"

namespace tenon::commands {
namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr size_t kChunk = size_t{1} << 24;  // minizip counts the bytes of one call in 32 bits

/// The bytes of the current entry. The buffer grows with what is really there: the size that the
/// archive claims is not believed.
std::optional<std::vector<std::byte>> read_current(unzFile archive) {
  if (unzOpenCurrentFile(archive) != UNZ_OK) return std::nullopt;
  std::vector<std::byte> bytes;
  int got = 0;
  do {
    const size_t used = bytes.size();
    bytes.resize(used + kChunk);
    got = unzReadCurrentFile(archive, bytes.data() + used, kChunk);
    bytes.resize(used + static_cast<size_t>(std::max(got, 0)));
  } while (got > 0);
  // Closing compares the checksum.
  const int closed = unzCloseCurrentFile(archive);
  if (got < 0 || closed != UNZ_OK) return std::nullopt;
  return bytes;
}

bool write_bytes(zipFile archive, const void* data, size_t count) {
  const auto* from = static_cast<const std::byte*>(data);
  for (size_t done = 0; done < count;) {
    const size_t part = std::min(count - done, kChunk);
    if (zipWriteInFileInZip(archive, from + done, static_cast<unsigned>(part)) != ZIP_OK)
      return false;
    done += part;
  }
  return true;
}

bool write_entry(zipFile archive, const std::string& name, const ops::Tensor& tensor) {
  const std::string header = npy_header(tensor), entry = name + std::string(kSuffix);
  zip_fileinfo info = {};
  info.tmz_date = {.tm_mday = 1, .tm_year = 1980};
  const int large = header.size() + tensor.byte_count() >= UINT32_MAX;
  return zipOpenNewFileInZip64(archive, entry.c_str(), &info, nullptr, 0, nullptr, 0, nullptr, 0, 0,
                               large) == ZIP_OK &&
         write_bytes(archive, header.data(), header.size()) &&
         write_bytes(archive, tensor.bytes(), tensor.byte_count()) &&
         zipCloseFileInZip(archive) == ZIP_OK;
}

bool write_archive(const std::string& path,
                   std::span<const std::pair<std::string, ops::Tensor>> arrays) {
  zipFile archive = zipOpen64(path.c_str(), APPEND_STATUS_CREATE);
  if (!archive) return false;
  const bool written = std::ranges::all_of(
      arrays, [&](const auto& entry) { return write_entry(archive, entry.first, entry.second); });
  return zipClose(archive, nullptr) == ZIP_OK && written;
}

}  // namespace

Result<NpzReader> NpzReader::open(const std::filesystem::path& path) {
  if (access(path.c_str(), R_OK) != 0) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot read '{}': {}", path.string(), std::strerror(errno)));
  }
  NpzReader reader;
  reader.path_ = path;
  unzFile archive = unzOpen64(path.c_str());
  if (!archive) {
    return fail(ErrorKind::kBadInput, "not an .npz file", {.file = path.string()},
                "write it with numpy.savez");
  }
  reader.archive_ = {archive, [](void* file) { unzClose(file); }};
  for (int at = unzGoToFirstFile(archive); at == UNZ_OK; at = unzGoToNextFile(archive)) {
    char name[4096] = {};
    if (unzGetCurrentFileInfo64(archive, nullptr, name, sizeof(name) - 1, nullptr, 0, nullptr, 0) !=
        UNZ_OK) {
      return fail(ErrorKind::kBadInput, "damaged archive", {.file = path.string()});
    }
    std::string_view entry = name;
    if (!entry.ends_with(kSuffix)) continue;
    entry.remove_suffix(kSuffix.size());
    reader.names_.emplace_back(entry);
  }
  return reader;
}

Result<ops::Tensor> NpzReader::read(const std::string& name) const {
  const std::string entry = name + std::string(kSuffix);
  const Where where{.file = path_.string(), .node = name};
  std::optional<std::vector<std::byte>> bytes;
  if (unzLocateFile(archive_.get(), entry.c_str(), 1) == UNZ_OK)
    bytes = read_current(archive_.get());
  if (!bytes) return fail(ErrorKind::kBadInput, "damaged archive entry", where);
  Result<ops::Tensor> tensor = parse_npy(*bytes);
  if (!tensor) {
    for (Diagnostic& diagnostic : tensor.error().diagnostics) diagnostic.where = where;
  }
  return tensor;
}

Result<void> write_npz(const std::filesystem::path& path,
                       std::span<const std::pair<std::string, ops::Tensor>> arrays) {
  std::string temporary = path.string() + ".XXXXXX";
  const int file = mkstemp(temporary.data());
  const bool made = file >= 0;
  if (made) {
    fchmod(file, 0644);
    close(file);
  }
  if (!made || !write_archive(temporary, arrays) || rename(temporary.c_str(), path.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    if (made) unlink(temporary.c_str());
    return fail(ErrorKind::kIo, fmt::format("cannot write '{}': {}", path.string(), why));
  }
  return {};
}

}  // namespace tenon::commands
