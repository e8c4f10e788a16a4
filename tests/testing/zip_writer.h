// Zip archives for tests, stored or deflated, with as many lies as a test wants.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace tenon::testing {

struct ZipEntry {
  std::string path, data;
  bool is_deflated = false;
  uint32_t checksum = 0;  ///< added to the right one
  uint32_t size = 0;      ///< added to the right uncompressed size
  uint16_t flags = 0;
};

inline std::string deflated(const std::string& data) {
  z_stream stream = {};
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string result(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("deflate");
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

inline std::string zip(const std::vector<ZipEntry>& entries) {
  std::string file;
  std::string directory;
  const auto number = [](std::string& to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i) & 0xff);
  };
  for (const ZipEntry& entry : entries) {
    const std::string data = entry.is_deflated ? deflated(entry.data) : entry.data;
    const auto offset = file.size();
    const uint32_t checksum =
        entry.checksum +
        static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(entry.data.data()),
                                    static_cast<uInt>(entry.data.size())));
    std::string common;
    number(common, 20, 2);
    number(common, entry.flags, 2);
    number(common, entry.is_deflated ? Z_DEFLATED : 0, 2);
    number(common, 0, 4);  // time
    number(common, checksum, 4);
    number(common, data.size(), 4);
    number(common, entry.data.size() + entry.size, 4);
    number(common, entry.path.size(), 2);
    number(common, 0, 2);  // extra field
    file += "PK\x03\x04" + common + entry.path + data;
    directory += "PK\x01\x02";
    number(directory, 20, 2);
    directory += common;
    number(directory, 0, 2);  // comment
    number(directory, 0, 2);  // disk
    number(directory, 0, 6);  // attributes
    number(directory, offset, 4);
    directory += entry.path;
  }
  const size_t start = file.size();
  file += directory;
  file += "PK\x05\x06";
  number(file, 0, 4);  // disks
  number(file, entries.size(), 2);
  number(file, entries.size(), 2);
  number(file, directory.size(), 4);
  number(file, start, 4);
  number(file, 0, 2);  // comment
  return file;
}

}  // namespace tenon::testing
