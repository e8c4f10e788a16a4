// What the shared library promises to those who ship it: small, and nothing but libc.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "testing/temporary_folder.h"

namespace {

std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  char line[512];
  while (fgets(line, sizeof line, pipe)) text += line;
  pclose(pipe);
  return text;
}

class Library : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::strlen(TENON_SANITIZE) > 0) GTEST_SKIP() << "sanitizers add libraries";
  }
};

TEST_F(Library, NeedsOnlyLibc) {
  std::string needed = output_of("readelf -d " TENON_RUNTIME_LIBRARY
                                 " | grep NEEDED | grep -vE '\\[(libc|ld-linux[^]]*)\\.so'");
  EXPECT_EQ(needed, "");
}

TEST_F(Library, ExportsOnlyItsInterface) {
  std::string others =
      output_of("nm -D --defined-only " TENON_RUNTIME_LIBRARY " | grep -v ' T tenon_[a-z_]*$'");
  EXPECT_EQ(others, "");
  EXPECT_NE(output_of("nm -D --defined-only " TENON_RUNTIME_LIBRARY " | grep ' tenon_run$'"), "");
}

TEST_F(Library, IsSmall) {
  const tenon::testing::TemporaryFolder folder;
  const std::string stripped = folder / "runtime.so";
  output_of("strip -o " + stripped + " " TENON_RUNTIME_LIBRARY);
  EXPECT_LT(std::filesystem::file_size(stripped), 200'000u);
}

}  // namespace
