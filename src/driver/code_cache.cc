#include "driver/code_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace tenon::driver {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporary = ".tmp.";
constexpr uint64_t kFolders = 256;

/// What a file starts with; the key follows, then the code.
struct Header {
  uint64_t checksum;  ///< of all after it
  uint64_t key_bytes, code_bytes, entry;
};

uint64_t checksum(std::string_view file) {
  return XXH3_64bits(file.data() + sizeof(uint64_t), file.size() - sizeof(uint64_t));
}

std::string to_file(std::string_view key, const codegen::Code& code) {
  Header header = {0, key.size(), code.bytes.size(), code.entry};
  std::string file(reinterpret_cast<const char*>(&header), sizeof(header));
  file += key;
  file.append(reinterpret_cast<const char*>(code.bytes.data()), code.bytes.size());
  header.checksum = checksum(file);
  std::memcpy(file.data(), &header, sizeof(header));
  return file;
}

std::optional<codegen::Code> from_file(std::string_view file, std::string_view key) {
  Header header;
  if (file.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, file.data(), sizeof(header));
  const std::string_view rest = file.substr(sizeof(header));
  if (header.checksum != checksum(file) || header.key_bytes != key.size() ||
      !rest.starts_with(key) || header.code_bytes != rest.size() - key.size() ||
      header.entry >= header.code_bytes) {
    return std::nullopt;
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(rest.data() + key.size());
  return codegen::Code{{bytes, bytes + header.code_bytes}, header.entry};
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

/// Drops the files of a folder that were used least recently when it holds more than `limit`, and
/// what killed processes left.
void trim(const fs::path& folder, uint64_t limit) {
  struct Entry {
    fs::file_time_type used;
    uint64_t bytes;
    fs::path path;
  };
  std::vector<Entry> entries;
  uint64_t total = 0;
  std::error_code failure;
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (fs::directory_iterator it(folder, failure), end; !failure && it != end;
       it.increment(failure)) {
    std::error_code gone;
    Entry entry{it->last_write_time(gone), it->file_size(gone), it->path()};
    if (gone) continue;
    if (entry.path.filename().string().starts_with(kTemporary)) {
      if (entry.used < old) fs::remove(entry.path, gone);
      continue;
    }
    total += entry.bytes;
    entries.push_back(std::move(entry));
  }
  if (total <= limit) return;
  std::ranges::sort(entries, {}, &Entry::used);
  for (const Entry& entry : entries) {
    if (total <= limit / 4 * 3) break;
    fs::remove(entry.path, failure);
    total -= entry.bytes;
  }
}

}  // namespace

CodeCache::CodeCache(fs::path folder, uint64_t limit) : folder_(std::move(folder)), limit_(limit) {}

fs::path CodeCache::file_of(std::string_view key) const {
  const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  return folder_ / fmt::format("{:02x}", hash.high64 % kFolders) /
         fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::optional<codegen::Code> CodeCache::find(std::string_view key) const {
  if (folder_.empty()) return std::nullopt;
  const fs::path path = file_of(key);
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return std::nullopt;
  const std::string file{std::istreambuf_iterator<char>(stream), {}};
  std::optional<codegen::Code> code = from_file(file, key);
  if (code) utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // used now
  return code;
}

void CodeCache::keep(std::string_view key, const codegen::Code& code) const {
  const std::string bytes = to_file(key, code);
  if (folder_.empty() || bytes.size() > limit_ / kFolders) return;
  const fs::path path = file_of(key);
  std::error_code failure;
  fs::create_directories(path.parent_path(), failure);
  // Code from here is run: nobody else may put any.
  if (!failure) fs::permissions(folder_, fs::perms::owner_all, failure);
  std::string temporary = path.parent_path() / fmt::format("{}XXXXXX", kTemporary);
  const int file = failure ? -1 : mkstemp(temporary.data());
  if (file < 0) return;
  const bool whole = write_all(file, bytes);
  close(file);
  if (!whole || rename(temporary.c_str(), path.c_str()) != 0) unlink(temporary.c_str());
  trim(path.parent_path(), limit_ / kFolders);
}

fs::path cache_folder(std::string_view choice) {
  auto environment = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  const std::string chosen = choice.empty() ? environment("TENON_CACHE") : std::string(choice);
  if (chosen == "off") return {};
  if (!chosen.empty()) return chosen;
  // A relative XDG_CACHE_HOME is to be ignored.
  const fs::path caches = environment("XDG_CACHE_HOME"), home = environment("HOME");
  if (caches.is_absolute()) return caches / "tenon";
  return home.is_absolute() ? home / ".cache" / "tenon" : fs::path();
}

}  // namespace tenon::driver
