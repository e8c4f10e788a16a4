#include "import/pt2/archive.h"

#include <fmt/format.h>
#include <minizip/unzip.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

namespace tenon::import::pt2 {
namespace {

constexpr size_t kMostEntries = 200'000;
constexpr size_t kLongestPath = 4096;
constexpr uint64_t kLeastBudget = uint64_t{1} << 28;
constexpr uint64_t kBudgetFactor = 32;

std::unexpected<Error> bad(std::string message) {
  return fail(ErrorKind::kBadModel, std::move(message));
}

/// The bytes as minizip reads a file.
struct Cursor {
  std::span<const std::byte> bytes;
  uint64_t position = 0;
};

zlib_filefunc64_def memory_file(Cursor& cursor) {
  zlib_filefunc64_def file = {};
  file.opaque = &cursor;
  file.zopen64_file = [](void* opaque, const void*, int) { return opaque; };
  file.zread_file = [](void*, void* stream, void* into, uLong count) -> uLong {
    auto& from = *static_cast<Cursor*>(stream);
    count = std::min<uLong>(count, from.bytes.size() - from.position);
    if (count > 0) std::memcpy(into, from.bytes.data() + from.position, count);
    from.position += count;
    return count;
  };
  file.zwrite_file = [](void*, void*, const void*, uLong) -> uLong { return 0; };
  file.ztell64_file = [](void*, void* stream) -> ZPOS64_T {
    return static_cast<Cursor*>(stream)->position;
  };
  file.zseek64_file = [](void*, void* stream, ZPOS64_T offset, int origin) -> long {
    auto& in = *static_cast<Cursor*>(stream);
    if (origin == ZLIB_FILEFUNC_SEEK_CUR) offset += in.position;
    if (origin == ZLIB_FILEFUNC_SEEK_END) offset += in.bytes.size();
    if (offset > in.bytes.size()) return -1;
    in.position = offset;
    return 0;
  };
  file.zclose_file = [](void*, void*) { return 0; };
  file.zerror_file = [](void*, void*) { return 0; };
  return file;
}

bool is_safe(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('\\') != std::string_view::npos ||
      path.find(':') != std::string_view::npos) {
    return false;
  }
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    if (path.substr(0, end) == "..") return false;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return true;
}

uint32_t checksum_of(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

Result<Archive> Archive::open(std::span<const std::byte> bytes) {
  Archive archive;
  archive.bytes_ = bytes;
  archive.budget_ = std::max(kLeastBudget, kBudgetFactor * bytes.size());
  Cursor cursor{bytes};
  zlib_filefunc64_def memory = memory_file(cursor);
  const std::unique_ptr<void, int (*)(void*)> zip(unzOpen2_64("", &memory), unzClose);
  if (!zip) return bad("no zip archive, or its end is missing");
  unz_global_info64 global;
  if (unzGetGlobalInfo64(zip.get(), &global) != UNZ_OK || global.number_entry > kMostEntries) {
    return bad(fmt::format("more than {} entries in the archive", kMostEntries));
  }
  for (int at = unzGoToFirstFile(zip.get()); at == UNZ_OK; at = unzGoToNextFile(zip.get())) {
    unz_file_info64 info;
    std::string path(kLongestPath, '\0');
    if (unzGetCurrentFileInfo64(zip.get(), &info, path.data(), path.size(), nullptr, 0, nullptr,
                                0) != UNZ_OK ||
        info.size_filename >= kLongestPath) {
      return bad("a damaged entry in the archive's directory");
    }
    path.resize(info.size_filename);
    if (!is_safe(path) || path.find('\0') != std::string::npos) {
      return bad("a path in the archive that leaves it");
    }
    if (path.back() == '/') continue;
    if ((info.flag & 1) != 0) return bad(fmt::format("'{}' is encrypted", path));
    if (info.compression_method != 0 && info.compression_method != Z_DEFLATED) {
      return bad(fmt::format("'{}' is compressed in an unknown way", path));
    }
    int method = 0;
    int level = 0;
    if (unzOpenCurrentFile2(zip.get(), &method, &level, 1) != UNZ_OK) {
      return bad(fmt::format("'{}' does not begin where the archive's directory says", path));
    }
    const Entry entry{.offset = unzGetCurrentFileZStreamPos64(zip.get()),
                      .compressed = info.compressed_size,
                      .size = info.uncompressed_size,
                      .checksum = static_cast<uint32_t>(info.crc),
                      .is_deflated = info.compression_method == Z_DEFLATED,
                      .inflated = {}};
    unzCloseCurrentFile(zip.get());
    TENON_TRY_DO(archive.add(std::move(path), entry));
  }
  if (archive.entries_.size() > global.number_entry || archive.entries_.empty()) {
    return bad("an archive without entries");
  }
  TENON_TRY_DO(archive.check_overlaps());
  archive.enter_root();
  return archive;
}

Result<void> Archive::add(std::string path, const Entry& entry) {
  if (entry.offset > bytes_.size() || entry.compressed > bytes_.size() - entry.offset) {
    return bad(fmt::format("'{}' goes beyond the end of the file", path));
  }
  if (!entry.is_deflated && entry.size != entry.compressed) {
    return bad(fmt::format("'{}' has two sizes", path));
  }
  const auto [place, is_new] = entries_.try_emplace(std::move(path), entry);
  if (!is_new) return bad(fmt::format("'{}' is in the archive twice", place->first));
  return {};
}

Result<void> Archive::check_overlaps() const {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const auto& [path, entry] : entries_) {
    if (entry.compressed > 0) ranges.emplace_back(entry.offset, entry.offset + entry.compressed);
  }
  std::ranges::sort(ranges);
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) return bad("entries of the archive overlap");
  }
  return {};
}

/// Takes the one folder that holds all off the paths.
void Archive::enter_root() {
  const std::string& first = entries_.begin()->first;
  const size_t slash = first.find('/');
  if (slash == std::string::npos) return;
  const std::string root = first.substr(0, slash + 1);
  if (!std::ranges::all_of(entries_,
                           [&](const auto& entry) { return entry.first.starts_with(root); })) {
    return;
  }
  std::map<std::string, Entry, std::less<>> inside;
  for (auto& [path, entry] : entries_) inside.emplace(path.substr(root.size()), std::move(entry));
  entries_ = std::move(inside);
}

std::vector<std::string> Archive::paths(std::string_view begin, std::string_view end) const {
  std::vector<std::string> found;
  for (const auto& [path, entry] : entries_) {
    if (path.size() >= begin.size() + end.size() && path.starts_with(begin) &&
        path.ends_with(end)) {
      found.push_back(path);
    }
  }
  return found;
}

Result<void> Archive::spend(uint64_t count) {
  if (count > budget_) return bad("the archive unpacks to far more than its own size");
  budget_ -= count;
  return {};
}

Result<void> Archive::inflate(Entry& entry, const std::string& path) {
  TENON_TRY_DO(spend(entry.size));
  entry.inflated.resize(entry.size);
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    return fail(ErrorKind::kIo, "not enough memory to unpack the archive");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  uint64_t taken = 0;
  uint64_t given = 0;
  int status = Z_OK;
  // zlib counts in 32 bits.
  constexpr uint64_t kChunk = uint64_t{1} << 30;
  while (status == Z_OK) {
    const auto in = std::min(kChunk, entry.compressed - taken);
    const auto out = std::min(kChunk, entry.size - given);
    stream.next_in =
        const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes_.data() + entry.offset + taken));
    stream.next_out = reinterpret_cast<Bytef*>(entry.inflated.data() + given);
    stream.avail_in = static_cast<uInt>(in);
    stream.avail_out = static_cast<uInt>(out);
    status = ::inflate(&stream, Z_NO_FLUSH);
    taken += in - stream.avail_in;
    given += out - stream.avail_out;
  }
  if (status != Z_STREAM_END || given != entry.size) {
    return bad(fmt::format("'{}' does not unpack to the size that the archive says", path));
  }
  return {};
}

Result<std::span<const std::byte>> Archive::read(std::string_view path) {
  const auto found = entries_.find(path);
  if (found == entries_.end()) return bad(fmt::format("'{}' is not in the archive", path));
  Entry& entry = found->second;
  if (entry.is_deflated && !entry.is_checked) {
    TENON_TRY_DO(inflate(entry, found->first));
  }
  const std::span<const std::byte> bytes = entry.is_deflated
                                               ? std::span<const std::byte>(entry.inflated)
                                               : bytes_.subspan(entry.offset, entry.size);
  if (!entry.is_checked && checksum_of(bytes) != entry.checksum) {
    return bad(fmt::format("'{}' is damaged: its checksum is wrong", path));
  }
  entry.is_checked = true;
  return bytes;
}

Result<std::string_view> Archive::read_text(std::string_view path) {
  TENON_TRY(const auto bytes, read(path));
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace tenon::import::pt2
