// Files: one that works, and every way of damage, each refused with a sentence and never a crash.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "demo.h"
#include "handles.h"
#include "testing/temporary_folder.h"

namespace tenon::runtime::testing {
namespace {

/// A file on disk that goes with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(FileBytes& bytes) : TemporaryFile(bytes.data(), bytes.size()) {}
  TemporaryFile(const std::byte* bytes, size_t count) {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes), static_cast<std::streamsize>(count));
  }
  const char* path() const { return path_.c_str(); }

 private:
  const tenon::testing::TemporaryFolder folder_;
  const std::string path_ = folder_ / "model.tenon";
};

void expect_demo_runs(const Model& model) {
  ASSERT_TRUE(model);
  Context context = context_of(model);
  std::vector<float> x = demo_input(1000), sums(1000);
  tenon_tensor input = tensor(x.data(), {1000, kColumns}), output = {};
  output.data = sums.data();
  tenon_error error = {};
  ASSERT_EQ(tenon_run(context.get(), &input, &output, &error), TENON_OK) << error.message;
  EXPECT_EQ(sums, demo_output(x));
}

/// Loads from memory what must be refused; gives the code and the sentence.
tenon_error refusal(FileBytes& file) {
  tenon_error error = {};
  Model model(tenon_load_memory(file.data(), file.size(), nullptr, &error));
  EXPECT_FALSE(model);
  return error;
}

TEST(File, LoadsFromDisk) {
  FileBytes bytes = demo_file();
  TemporaryFile file(bytes);
  tenon_error error = {};
  expect_demo_runs(Model(tenon_load(file.path(), nullptr, &error)));
  EXPECT_EQ(tenon_verify_file(file.path(), &error), TENON_OK) << error.message;
}

TEST(File, LoadsFromMemory) {
  FileBytes bytes = demo_file();
  expect_demo_runs(Model(tenon_load_memory(bytes.data(), bytes.size(), nullptr, nullptr)));
  tenon_error error = {};
  EXPECT_EQ(tenon_load_memory(bytes.data() + 8, bytes.size() - 8, nullptr, &error), nullptr);
  EXPECT_STREQ(error.message, "model in memory: its bytes do not start at a multiple of 4096");
}

TEST(File, RunsInTheExampleProgram) {
  FileBytes bytes = demo_file();
  TemporaryFile file(bytes);
  std::vector<float> x = demo_input(3);
  TemporaryFile input(reinterpret_cast<std::byte*>(x.data()), x.size() * sizeof(float));
  std::string command =
      std::string(TENON_RUN_MODEL) + " " + file.path() + " 3 64 < " + input.path();
  FILE* program = popen(command.c_str(), "r");
  std::vector<float> sums(4);
  EXPECT_EQ(fread(sums.data(), sizeof(float), sums.size(), program), 3u);
  EXPECT_EQ(pclose(program), 0);
  sums.resize(3);
  EXPECT_EQ(sums, demo_output(x));
}

std::string text_of(const std::string& path) {
  std::ifstream file(TENON_SOURCE_DIR "/" + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(File, TheDocumentedProgramIsTheExample) {
  std::string page = text_of("docs/c-api.md");
  size_t begin = page.find("```c\n") + 5;
  std::string program = page.substr(begin, page.find("```", begin) - begin);
  EXPECT_GT(program.size(), 500u);
  EXPECT_NE(text_of("examples/run_model.c").find(program), std::string::npos);
}

TEST(File, NamesTheFileThatItCannotRead) {
  tenon_error error = {};
  EXPECT_EQ(tenon_load("/nonexistent/model.tenon", nullptr, &error), nullptr);
  EXPECT_EQ(error.code, TENON_ERROR_IO);
  EXPECT_STREQ(error.message,
               "/nonexistent/model.tenon: cannot open the file: No such file or directory");
  EXPECT_EQ(tenon_load("/", nullptr, &error), nullptr);
  EXPECT_STREQ(error.message, "/: not a file");
  TemporaryFile empty(nullptr, 0);
  EXPECT_EQ(tenon_load(empty.path(), nullptr, &error), nullptr);
  EXPECT_EQ(error.message, std::string(empty.path()) + ": the file is empty");
  std::byte text[16] = {std::byte{'#'}};
  TemporaryFile other(text, sizeof text);
  EXPECT_EQ(tenon_load(other.path(), nullptr, &error), nullptr);
  EXPECT_EQ(error.message, std::string(other.path()) + ": not a .tenon file");
}

TEST(File, RefusesEveryFlippedBitOfTheHeader) {
  FileBytes file = demo_file();
  for (size_t at = 0; at < sizeof(tenon_file_header); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::byte before = file.data()[at];
      file.data()[at] ^= std::byte(1 << bit);
      EXPECT_EQ(refusal(file).code, TENON_ERROR_FORMAT) << at;
      file.data()[at] = before;
    }
  }
}

TEST(File, RefusesEveryFlippedByteOfPlanAndCode) {
  FileBytes file = demo_file();
  tenon_file_header header = file.header();
  for (auto [start, bytes] : {std::pair{header.plan_offset, header.plan_bytes},
                              std::pair{header.code_offset, header.code_bytes}}) {
    for (uint64_t at = start; at < start + bytes; ++at) {
      file.data()[at] ^= std::byte{0x10};
      EXPECT_EQ(refusal(file).code, TENON_ERROR_FORMAT) << at;
      file.data()[at] ^= std::byte{0x10};
    }
  }
}

TEST(File, VerifyFindsDamagedWeights) {
  FileBytes bytes = demo_file();
  bytes.data()[bytes.size() - 1] ^= std::byte{1};
  TemporaryFile file(bytes);
  Model model(tenon_load(file.path(), nullptr, nullptr));
  EXPECT_TRUE(model) << "weights are not read while loading";
  tenon_error error = {};
  EXPECT_EQ(tenon_verify_file(file.path(), &error), TENON_ERROR_FORMAT);
  EXPECT_EQ(error.message, std::string(file.path()) +
                               ": the file is damaged: its weights section does not match its "
                               "checksum; copy it again or compile the model again");
}

TEST(File, RefusesEveryTruncation) {
  FileBytes file = demo_file();
  auto load_first = [&](size_t count) {
    tenon_error error = {};
    Model model(tenon_load_memory(file.data(), count, nullptr, &error));
    EXPECT_FALSE(model) << count;
    EXPECT_EQ(error.code, TENON_ERROR_FORMAT);
  };
  for (size_t count = 0; count < file.size(); count += count < 512 ? 1 : 64) load_first(count);
  TemporaryFile half(file.data(), file.size() / 2);
  tenon_error error = {};
  EXPECT_EQ(tenon_load(half.path(), nullptr, &error), nullptr);
  EXPECT_EQ(error.code, TENON_ERROR_FORMAT);
}

TEST(File, RefusesAnotherVersionAndAnotherCpu) {
  FileBytes file = demo_file();
  file.header().abi_version = TENON_ABI_VERSION + 1;
  EXPECT_NE(std::string(refusal(file).message).find("compile the model again"), std::string::npos);
  file.header().abi_version = TENON_ABI_VERSION;
  std::strcpy(file.header().target, "quantum-v7");
  file.seal();
  tenon_error error = refusal(file);
  EXPECT_EQ(error.code, TENON_ERROR_CPU);
  EXPECT_STREQ(error.message,
               "model in memory: compiled for 'quantum-v7', which this runtime does not know: "
               "compile the model for this machine");
}

/// The demo for a target that nothing can run, then for this machine, with one plan and code.
FileBytes file_for_two_targets() {
  FileBytes one = demo_file();
  const uint64_t second = (one.size() + 63) / 64 * 64;
  FileBytes file(second + sizeof(tenon_file_header));
  std::memcpy(file.data(), one.data(), one.size());
  std::memcpy(file.data() + second, one.data(), sizeof(tenon_file_header));
  std::strcpy(file.header().target, "quantum-v7");
  file.header().next_offset = second;
  file.seal_header();
  return file;
}

TEST(File, OfSeveralTargetsTheFirstThatFitsIsTaken) {
  FileBytes bytes = file_for_two_targets();
  Model model(tenon_load_memory(bytes.data(), bytes.size(), nullptr, nullptr));
  expect_demo_runs(model);
  EXPECT_STREQ(tenon_model_target(model.get()), host_target());
  TemporaryFile file(bytes);
  tenon_error error = {};
  expect_demo_runs(Model(tenon_load(file.path(), nullptr, &error)));
  EXPECT_EQ(tenon_verify_file(file.path(), &error), TENON_OK) << error.message;
}

TEST(File, ATargetIsTakenByName) {
  FileBytes file = file_for_two_targets();
  auto load = [&](const char* target, tenon_error& error) {
    const tenon_options options = {1, nullptr, target};
    return Model(tenon_load_memory(file.data(), file.size(), &options, &error));
  };
  tenon_error error = {};
  expect_demo_runs(load(host_target(), error));
  EXPECT_FALSE(load("quantum-v7", error));
  EXPECT_EQ(error.code, TENON_ERROR_CPU);
  EXPECT_FALSE(load("abacus", error));
  EXPECT_EQ(error.code, TENON_ERROR_CPU);
  EXPECT_STREQ(error.message, "model in memory: it has no code for 'abacus'");
}

TEST(File, RefusesHeadersOutOfPlace) {
  FileBytes good = file_for_two_targets();
  const uint64_t second = good.header().next_offset;
  for (uint64_t next : {uint64_t{1}, uint64_t{64}, second - 64, second + 64, UINT64_MAX - 63}) {
    FileBytes file = file_for_two_targets();
    file.header().next_offset = next;
    file.seal_header();
    EXPECT_EQ(refusal(file).code, TENON_ERROR_FORMAT) << next;
  }
  for (uint64_t back : {uint64_t{64}, second}) {
    FileBytes file = file_for_two_targets();
    auto& header = *reinterpret_cast<tenon_file_header*>(file.data() + second);
    std::strcpy(header.target, "quantum-v8");
    header.next_offset = back;
    header.header_hash = 0;
    header.header_hash = XXH64(&header, sizeof header, 0);
    EXPECT_EQ(refusal(file).code, TENON_ERROR_FORMAT) << back;
  }
  for (size_t at = second; at < good.size(); ++at) {
    good.data()[at] ^= std::byte{1};
    EXPECT_EQ(refusal(good).code, TENON_ERROR_FORMAT) << at;
    good.data()[at] ^= std::byte{1};
  }
}

TEST(File, RefusesSectionsOutOfPlace) {
  using Change = void (*)(tenon_file_header&);
  const Change changes[] = {
      [](tenon_file_header& h) { h.plan_offset += 8; },
      [](tenon_file_header& h) { h.code_offset += 64; },
      [](tenon_file_header& h) { h.weights_bytes += 1; },
      [](tenon_file_header& h) { h.weights_offset = UINT64_MAX - 4095; },
      [](tenon_file_header& h) { h.code_bytes = UINT64_MAX; },
      [](tenon_file_header& h) { h.info_offset = 1 << 20; },
      [](tenon_file_header& h) { h.plan_bytes -= 8; },
      [](tenon_file_header& h) { std::memset(h.target, 'x', sizeof h.target); },
  };
  for (Change change : changes) {
    FileBytes file = demo_file();
    change(file.header());
    file.seal_header();
    EXPECT_EQ(refusal(file).code, TENON_ERROR_FORMAT);
  }
}

TEST(File, RefusesForeignKernelsThatAreNotThere) {
  const auto with_kernel = [](uint64_t kernel) {
    FileBytes file = demo_file();
    std::byte* plan = file.data() + file.header().plan_offset;
    tenon_plan_header counts;
    std::memcpy(&counts, plan, sizeof counts);
    const uint64_t kernels = counts.kernel_count * sizeof kernel;
    std::memcpy(plan + file.header().plan_bytes - counts.string_bytes - kernels, &kernel,
                sizeof kernel);
    file.seal();
    return file;
  };
  FileBytes outside = with_kernel(TENON_KERNEL_FOREIGN | UINT32_MAX);
  EXPECT_EQ(refusal(outside).code, TENON_ERROR_FORMAT);
  FileBytes nameless = with_kernel(TENON_KERNEL_FOREIGN);
  const tenon_error error = refusal(nameless);
  EXPECT_EQ(error.code, TENON_ERROR_IO);
  EXPECT_NE(std::string(error.message).find("it names no library"), std::string::npos)
      << error.message;
}

// Damage that the checksums do not show: whatever the plan says, loading and inferring shapes
// neither crash nor read out of bounds. (Kernels are trusted, so nothing is run.)
TEST(File, SurvivesRandomPlans) {
  FileBytes good = demo_file();
  std::mt19937 random(7);
  int loaded = 0;
  for (int round = 0; round < 20'000; ++round) {
    FileBytes file = good;
    std::memcpy(file.data(), good.data(), good.size());
    uint64_t plan = file.header().plan_offset, bytes = file.header().plan_bytes;
    int changes = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < changes; ++i) {
      uint64_t at = plan + random() % bytes;
      uint32_t value = random() % 4 == 0 ? random() : random() % 24;
      file.data()[at] = static_cast<std::byte>(value);
    }
    file.seal();
    tenon_options options = {1, nullptr};
    Model model(tenon_load_memory(file.data(), file.size(), &options, nullptr));
    if (!model) continue;
    ++loaded;
    Context context = context_of(model);
    tenon_tensor inputs[256], outputs[256] = {};
    std::fill(inputs, inputs + 256, tensor(nullptr, {3, kColumns}));
    tenon_infer(context.get(), inputs, outputs, nullptr);
  }
  EXPECT_GT(loaded, 100) << "the test should reach beyond loading";
  EXPECT_LT(loaded, 20'000);
}

}  // namespace
}  // namespace tenon::runtime::testing
