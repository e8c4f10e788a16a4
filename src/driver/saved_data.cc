#include "driver/saved_data.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <map>

#include "driver/artifact.h"
#include "import/mapped_file.h"

namespace tenon::driver {
namespace {

constexpr uint64_t kAlign = 64;

struct Entry {
  uint64_t hash, offset, size;
};

uint64_t aligned(uint64_t offset) { return (offset + kAlign - 1) / kAlign * kAlign; }

using Index = std::map<uint64_t, std::span<const std::byte>>;

/// Entries that lie within the file; nothing when the index does not.
std::optional<Index> read_index(std::span<const std::byte> file) {
  uint64_t count = 0;
  if (file.size() < sizeof(count)) return std::nullopt;
  std::memcpy(&count, file.data(), sizeof(count));
  if (count > (file.size() - sizeof(count)) / sizeof(Entry)) return std::nullopt;
  Index index;
  for (uint64_t i = 0; i < count; ++i) {
    Entry entry;
    std::memcpy(&entry, file.data() + sizeof(count) + i * sizeof(Entry), sizeof(Entry));
    if (entry.offset > file.size() || entry.size > file.size() - entry.offset) return std::nullopt;
    index[entry.hash] = file.subspan(entry.offset, entry.size);
  }
  return index;
}

}  // namespace

std::filesystem::path data_path(const std::filesystem::path& text) {
  return text.string() + ".data";
}

Result<void> save_data(std::span<const ir::Module* const> modules,
                       const std::filesystem::path& path) {
  Index index;
  for (const ir::Module* module : modules) {
    for (ir::DataId id : ir::hashed_data(*module)) {
      const ir::Data& data = module->data(id);
      index.emplace(std::stoull(ir::data_hash(data), nullptr, 16), data.bytes);
    }
  }
  uint64_t size = aligned(sizeof(uint64_t) + index.size() * sizeof(Entry));
  for (const auto& [hash, bytes] : index) size += aligned(bytes.size());
  const Artifact file(size);
  const uint64_t count = index.size();
  std::byte* entry_at = file.bytes().data();
  std::memcpy(entry_at, &count, sizeof(count));
  entry_at += sizeof(count);
  uint64_t offset = aligned(sizeof(uint64_t) + index.size() * sizeof(Entry));
  for (const auto& [hash, bytes] : index) {
    const Entry entry = {hash, offset, bytes.size()};
    std::memcpy(entry_at, &entry, sizeof(entry));
    entry_at += sizeof(entry);
    std::memcpy(file.bytes().data() + offset, bytes.data(), bytes.size());
    offset += aligned(bytes.size());
  }
  return save(file.bytes(), path);
}

Result<ir::DataResolver> open_data(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return ir::DataResolver();
  TENON_TRY(const auto file, import::MappedFile::open(path));
  std::optional<Index> index = read_index(file->bytes());
  if (!index) return fail(ErrorKind::kBadModel, "the index is damaged", {.file = path.string()});
  return [file, index = *std::move(index)](std::string_view hash) -> std::optional<ir::Data> {
    uint64_t key = 0;
    const auto [end, error] = std::from_chars(hash.data(), hash.data() + hash.size(), key, 16);
    const auto found = index.find(key);
    if (error != std::errc() || found == index.end()) return std::nullopt;
    return ir::Data{.type = {}, .bytes = found->second, .name = {}};
  };
}

}  // namespace tenon::driver
