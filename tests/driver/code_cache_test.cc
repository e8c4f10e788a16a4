#include "driver/code_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "driver/compile.h"
#include "testing/models.h"
#include "testing/temporary_folder.h"

namespace tenon::driver {
namespace {

namespace fs = std::filesystem;

class CodeCacheTest : public ::testing::Test {
 protected:
  std::vector<fs::path> files() const {
    std::vector<fs::path> list;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (entry.is_regular_file()) list.push_back(entry.path());
    }
    return list;
  }

  const testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

codegen::Code code_of(size_t bytes, std::byte value) {
  return {std::vector<std::byte>(bytes, value), bytes / 2};
}

TEST_F(CodeCacheTest, FindsWhatWasKeptUnderItsKey) {
  const CodeCache cache(folder_);
  EXPECT_FALSE(cache.find("key"));
  cache.keep("key", code_of(100, std::byte{7}));
  const auto found = CodeCache(folder_).find("key");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->bytes, code_of(100, std::byte{7}).bytes);
  EXPECT_EQ(found->entry, 50);
  EXPECT_FALSE(cache.find("key "));
}

TEST_F(CodeCacheTest, IgnoresAndReplacesDamagedFiles) {
  const CodeCache cache(folder_);
  cache.keep("key", code_of(100, std::byte{7}));
  const fs::path file = files().at(0);
  const uintmax_t size = fs::file_size(file);
  for (uintmax_t at = 0; at < size; at += 9) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const char old = static_cast<char>(stream.get());
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(old ^ 0x20));
    stream.close();
    EXPECT_FALSE(cache.find("key")) << "byte " << at;
    cache.keep("key", code_of(100, std::byte{7}));
    EXPECT_TRUE(cache.find("key"));
  }
  for (uintmax_t bytes : {uintmax_t{0}, uintmax_t{20}, size - 1}) {
    fs::resize_file(file, bytes);
    EXPECT_FALSE(cache.find("key")) << bytes << " bytes";
    cache.keep("key", code_of(100, std::byte{7}));
  }
}

TEST_F(CodeCacheTest, KeepsToItsLimitByDroppingWhatWasUsedLeastRecently) {
  // Room for about four of these in each of the 256 folders that files are spread over.
  const CodeCache cache(folder_, 256 * 4500);
  cache.keep("old", code_of(1000, std::byte{1}));
  const auto past = fs::file_time_type::clock::now() - std::chrono::hours(2);
  fs::last_write_time(files().at(0), past);
  // What a killed process left.
  std::ofstream(files().at(0).parent_path() / ".tmp.abcdef") << "half";
  fs::last_write_time(files().at(0).parent_path() / ".tmp.abcdef", past);
  for (int i = 0; i < 4000; ++i) cache.keep(std::to_string(i), code_of(1000, std::byte{2}));
  EXPECT_FALSE(cache.find("old"));
  EXPECT_TRUE(cache.find("3999"));
  uintmax_t total = 0;
  for (const fs::path& file : files()) {
    EXPECT_FALSE(file.filename().string().starts_with(".tmp."));
    total += fs::file_size(file);
  }
  EXPECT_LE(total, 256u * 4500u);
  cache.keep("large", code_of(10000, std::byte{3}));
  EXPECT_FALSE(cache.find("large"));
}

TEST_F(CodeCacheTest, WritersAndReadersAtOnceNeverSeeHalfAFile) {
  const CodeCache cache(folder_);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        cache.keep("key", code_of(3000, std::byte{5}));
        const auto found = cache.find("key");
        ASSERT_TRUE(found);
        ASSERT_EQ(found->bytes, code_of(3000, std::byte{5}).bytes);
      }
    });
  }
}

TEST_F(CodeCacheTest, WithoutAFolderOrLeaveToWriteNothingIsKept) {
  const CodeCache none((fs::path()));
  none.keep("key", code_of(10, std::byte{1}));
  EXPECT_FALSE(none.find("key"));
  std::ofstream(folder_ / "file") << "no folder";
  const CodeCache blocked(folder_ / "file");
  blocked.keep("key", code_of(10, std::byte{1}));
  EXPECT_FALSE(blocked.find("key"));
}

TEST_F(CodeCacheTest, TheSecondCompilationTakesItsKernelsFromThere) {
  testing::ModelBuilder m;
  const auto x = m.input("x", {5, 19});
  m.output(m.add(ir::Op::kRelu, {m.add(ir::Op::kMatMul, {x, m.parameter({19, 40})})}));
  CompileOptions options{.cache = folder_};
  const auto first = compile(m.module, options), second = compile(m.module, options);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->cached_kernels, 0);
  EXPECT_GT(second->cached_kernels, 0);
  EXPECT_TRUE(std::ranges::equal(first->artifact.bytes(), second->artifact.bytes()));
  // Other code is another entry.
  options.checked = true;
  const auto checked = compile(m.module, options);
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->cached_kernels, 0);
}

TEST_F(CodeCacheTest, FolderFromOptionThenEnvironment) {
  setenv("TENON_CACHE", "/a/b", 1);
  EXPECT_EQ(cache_folder(), "/a/b");
  EXPECT_EQ(cache_folder("/c"), "/c");
  EXPECT_EQ(cache_folder("off"), "");
  setenv("TENON_CACHE", "off", 1);
  EXPECT_EQ(cache_folder(), "");
  unsetenv("TENON_CACHE");
  setenv("XDG_CACHE_HOME", "/caches", 1);
  EXPECT_EQ(cache_folder(), "/caches/tenon");
  setenv("XDG_CACHE_HOME", "relative", 1);
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(cache_folder(), "/home/me/.cache/tenon");
}

}  // namespace
}  // namespace tenon::driver
