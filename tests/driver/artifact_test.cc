#include "driver/artifact.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "testing/temporary_folder.h"

namespace tenon::driver {
namespace {

/// Larger than what is written at once, and no whole number of pages.
constexpr size_t kBytes = (20 << 20) + 77;

std::byte byte_at(size_t i) { return static_cast<std::byte>(i * 2654435761U >> 13); }

Artifact filled() {
  Artifact artifact(kBytes);
  for (size_t i = 0; i < kBytes; ++i) artifact.bytes()[i] = byte_at(i);
  return artifact;
}

bool is_filled(std::span<const std::byte> bytes) {
  if (bytes.size() != kBytes) return false;
  for (size_t i = 0; i < kBytes; ++i) {
    if (bytes[i] != byte_at(i)) return false;
  }
  return true;
}

bool is_filled(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  return is_filled(std::as_bytes(std::span(bytes)));
}

TEST(Artifact, IsSavedWholeWhileItsMemoryGoes) {
  const testing::TemporaryFolder folder;
  ASSERT_TRUE(save_and_release(filled(), folder / "a"));
  EXPECT_TRUE(is_filled(folder / "a"));
}

TEST(Artifact, ACopyKeepsTheMemory) {
  const testing::TemporaryFolder folder;
  const Artifact artifact = filled();
  ASSERT_TRUE(save_and_release(artifact, folder / "a"));
  EXPECT_TRUE(is_filled(folder / "a"));
  EXPECT_TRUE(is_filled(artifact.bytes()));
}

TEST(Artifact, IsNotSavedInPlaceOfAFolder) {
  const testing::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "a");
  EXPECT_FALSE(save_and_release(filled(), folder / "a"));
}

}  // namespace
}  // namespace tenon::driver
