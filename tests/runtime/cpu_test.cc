// Threads that a process may use, under cgroups of both versions.
#include "runtime/cpu.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "runtime/abi.h"
#include "runtime/error.h"
#include "testing/temporary_folder.h"

namespace tenon::runtime {
namespace {

/// A made-up /proc and /sys that goes with the test.
class Root {
 public:
  Root& write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((path_ + name).substr(0, (path_ + name).rfind('/')));
    std::ofstream(path_ + name) << text;
    return *this;
  }
  uint32_t threads() const { return usable_threads(path_.c_str()); }

 private:
  const testing::TemporaryFolder folder_;
  const std::string path_ = folder_.path().string();
};

uint32_t without_quota() { return Root().threads(); }

TEST(Cpu, AffinityAloneWithoutCgroups) { EXPECT_GE(without_quota(), 1u); }

TEST(Cpu, QuotaOfVersion2) {
  Root root;
  root.write("/proc/self/cgroup", "0::/a/b\n").write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(root.threads(), without_quota());
  root.write("/sys/fs/cgroup/a/b/cpu.max", "100000 100000\n");
  EXPECT_EQ(root.threads(), 1u);
  root.write("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(root.threads(), 1u) << "at least one";
  root.write("/sys/fs/cgroup/a/b/cpu.max", "199000 100000\n");
  EXPECT_EQ(root.threads(), 1u) << "whole CPUs only";
  root.write("/sys/fs/cgroup/a/b/cpu.max", "100000000 100000\n");
  EXPECT_EQ(root.threads(), without_quota()) << "never more than there are";
}

TEST(Cpu, QuotaOfAGroupAround) {
  Root root;
  root.write("/proc/self/cgroup", "0::/a/b\n").write("/sys/fs/cgroup/a/cpu.max", "100000 100000");
  EXPECT_EQ(root.threads(), 1u);
}

TEST(Cpu, QuotaOfVersion1) {
  Root root;
  root.write("/proc/self/cgroup", "9:name=systemd:/x\n4:cpuacct,cpu:/docker/1\n1:cpuset:/\n")
      .write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n")
      .write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(root.threads(), 1u) << "in a container the group's path is that of the host";
  root.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(root.threads(), without_quota());
}

TEST(Cpu, OtherControllersDoNotCount) {
  Root root;
  root.write("/proc/self/cgroup", "4:cpuset:/a\n3:cpuacct:/a\n")
      .write("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "100000")
      .write("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000");
  EXPECT_EQ(root.threads(), without_quota());
}

TEST(Cpu, UnknownTargets) {
  EXPECT_EQ(cpu_fit(""), Fit::kUnknownTarget);
  EXPECT_EQ(cpu_fit("x86-64-v9"), Fit::kUnknownTarget);
#if defined(__x86_64__)
  EXPECT_EQ(cpu_fit("neoverse-n1"), Fit::kUnknownTarget);
  EXPECT_NE(cpu_fit("x86-64-v3"), Fit::kUnknownTarget);
  EXPECT_NE(cpu_fit("x86-64-v4"), Fit::kUnknownTarget);
#endif
}

// The numbers of dtypes in files are those of the compiler's table.
TEST(Dtypes, AreThoseOfTheCompiler) {
  struct Row {
    const char* name;
    uint32_t bytes;
  };
  const Row rows[] = {
#define DTYPE(enumerator, name, bytes, kind) {name, bytes},
#include "ir/dtype.def"
#undef DTYPE
  };
  ASSERT_EQ(std::size(rows), TENON_F64 + 1u);
  for (uint32_t dtype = 0; dtype <= TENON_F64; ++dtype) {
    EXPECT_STREQ(dtype_name(dtype), rows[dtype].name);
    EXPECT_EQ(dtype_bytes(dtype), rows[dtype].bytes);
  }
}

}  // namespace
}  // namespace tenon::runtime
