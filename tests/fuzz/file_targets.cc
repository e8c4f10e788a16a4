// Targets that read data files: .tenon, .npy, .npz.
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "commands/npy.h"
#include "commands/npz.h"
#include "driver/compile.h"
#include "fuzz/targets.h"
#include "ops/op.h"
#include "runtime/abi.h"
#include "testing/temporary_folder.h"

namespace tenon::fuzz {
namespace {

std::string artifact_seed(const std::string& target) {
  ir::Module module;
  const ir::Dim batch = module.dims.symbol("batch");
  const ir::ValueId x = module.add_input({ir::DType::kFloat32, {batch, 3}}, "x");
  const ir::OriginId origin = module.add_origin({"node", ""});
  ir::ValueId y = x;
  for (const ir::Op op : {ir::Op::kExp, ir::Op::kSoftmax}) {
    ir::Attrs attrs;
    if (op == ir::Op::kSoftmax) attrs = {{"axis", int64_t{1}}, {"log", false}};
    const auto node = ops::add_node(module, op, {y}, attrs, origin);
    if (!node) throw std::runtime_error(node.error().text());
    y = module.node(*node).outputs[0];
  }
  module.graph.outputs = {y};
  module.graph.output_names = {"y"};
  const auto compiled = driver::compile(std::move(module), {.target = target});
  if (!compiled) throw std::runtime_error(compiled.error().text());
  const std::span<const std::byte> bytes = compiled->artifact.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool inside(const std::string& file, uint64_t offset, uint64_t bytes) {
  return offset <= file.size() && bytes <= file.size() - offset;
}

/// Makes the hashes right, so that what they guard is looked at.
void hash_again(std::string& file) {
  tenon_file_header header;
  for (uint64_t at = 0; inside(file, at, sizeof(header));) {
    std::memcpy(&header, file.data() + at, sizeof(header));
    auto hash = [&](uint64_t offset, uint64_t bytes, uint64_t& to) {
      if (inside(file, offset, bytes)) to = XXH64(file.data() + offset, bytes, 0);
    };
    hash(header.plan_offset, header.plan_bytes, header.plan_hash);
    hash(header.code_offset, header.code_bytes, header.code_hash);
    header.header_hash = 0;
    header.header_hash = XXH64(&header, sizeof(header), 0);
    std::memcpy(file.data() + at, &header, sizeof(header));
    if (header.next_offset <= at) break;
    at = header.next_offset;
  }
}

/// Loads the file and plans a call; nothing of its code runs.
void load(const std::string& input) {
  if (input.empty()) return;
  std::string file = input;
  hash_again(file);
  void* memory =
      mmap(nullptr, file.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no memory for the file");
  std::memcpy(memory, file.data(), file.size());
  tenon_error error = {};
  const tenon_options options = {1, nullptr};
  if (tenon_model* model = tenon_load_memory(memory, file.size(), &options, &error)) {
    if (tenon_context* context = tenon_context_create(model, &error)) {
      const tenon_module& module = *tenon_model_module(model);
      std::vector<tenon_tensor> inputs(module.input_count), outputs(module.output_count);
      for (uint32_t i = 0; i < module.input_count; ++i) {
        inputs[i].dtype = module.inputs[i].dtype;
        inputs[i].rank = module.inputs[i].rank;
        for (uint32_t d = 0; d < inputs[i].rank; ++d) inputs[i].dims[d] = 3;
      }
      tenon_infer(context, inputs.data(), outputs.data(), &error);
      tenon_context_free(context);
    }
    tenon_free(model);
  }
  munmap(memory, file.size());
}

std::string npy_seed(ir::DType dtype, std::vector<int64_t> shape) {
  ops::Tensor tensor(dtype, std::move(shape));
  std::memset(tensor.bytes(), 1, tensor.byte_count());
  const auto* bytes = reinterpret_cast<const char*>(tensor.bytes());
  return commands::npy_header(tensor) + std::string(bytes, tensor.byte_count());
}

std::string npz_seed() {
  const ops::Tensor tensor = ops::Tensor::of<float>(ir::DType::kFloat32, {2}, {1, 2});
  const std::pair<std::string, ops::Tensor> arrays[] = {{"x", tensor}, {"y", tensor}};
  const testing::TemporaryFolder folder;
  const std::filesystem::path path = folder / "arrays.npz";
  if (const auto written = commands::write_npz(path, arrays); !written)
    throw std::runtime_error(written.error().text());
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Target artifact_target() {
  return {.name = "artifact",
          .seeds = {artifact_seed("native"), artifact_seed("x86-64-v3,x86-64-v4")},
          .read = load};
}

Target npy_target() {
  return {
      .name = "npy",
      .seeds = {npy_seed(ir::DType::kFloat32, {2, 3}), npy_seed(ir::DType::kInt64, {4})},
      .read =
          [](const std::string& input) {
            static_cast<void>(commands::parse_npy(std::as_bytes(std::span(input))));
          },
      .words = {"'descr'", "'shape'", "True", "(9223372036854775807,", ">f8", "|b1", "<V2", "0,"}};
}

Target npz_target() {
  return {.name = "npz", .seeds = {npz_seed()}, .read = [](const std::string& input) {
            // In memory: a file system may take long over files that come and go.
            const int file = memfd_create("fuzz", MFD_CLOEXEC);
            const std::string path = "/proc/self/fd/" + std::to_string(file);
            std::ofstream(path, std::ios::binary) << input;
            if (const auto archive = commands::NpzReader::open(path)) {
              for (const std::string& name : archive->names())
                static_cast<void>(archive->read(name));
            }
            close(file);
          }};
}

}  // namespace tenon::fuzz
