// Targets that read what torch.export writes: archives, graphs as JSON, and sizes.
#include "fuzz/targets.h"
#include "import/aten.h"
#include "import/pt2.h"
#include "import/pt2/expression.h"
#include "testing/pt2_writer.h"

namespace tenon::fuzz {
namespace {

using testing::ZipEntry;

std::vector<std::string> archives() {
  std::vector<ZipEntry> deflated = testing::pt2_entries();
  for (ZipEntry& entry : deflated) entry.is_deflated = true;
  // Without checksums that fit, damage would go no further.
  return {testing::zip(testing::pt2_entries()), testing::zip(deflated),
          testing::zip({{"m/data.pkl", "pickle"}, {"m/constants.pkl", ""}})};
}

import::ImportOptions small_limits() {
  import::ImportOptions options;
  options.limits.tensor_bytes = uint64_t{1} << 24;
  return options;
}

/// Zeros for every parameter that the graph names.
Result<std::optional<import::TensorBytes>> zeros(const import::AtenInput& input) {
  if (input.kind == import::AtenInput::Kind::kUser) return std::nullopt;
  import::TensorBytes payload{{ir::DType::kFloat32, {2, 2}}, {}, std::vector<std::byte>(16)};
  payload.bytes = payload.owned;
  return payload;
}

}  // namespace

Target pt2_target() {
  return {.name = "pt2",
          .seeds = archives(),
          .read =
              [](const std::string& input) {
                const auto memory = std::make_shared<std::string>(input);
                const auto bytes = std::as_bytes(std::span(*memory));
                const auto module = import::import_pt2(bytes, memory, small_limits());
                if (module) ir::to_string(*module);
              },
          .words = {"PK\x01\x02", "PK\x03\x04", "PK\x05\x06", "PK\x06\x06", "../", "/",
                    "\xff\xff\xff\xff", "m/data.pkl"}};
}

Target aten_target() {
  return {.name = "aten",
          .seeds = {testing::pt2_graph()},
          .read =
              [](const std::string& input) {
                const auto module = import::import_aten(input, zeros, small_limits());
                if (module) ir::to_string(*module);
              },
          .words = {"as_int",
                    "as_ints",
                    "as_tensors",
                    "as_none",
                    "as_graph",
                    "as_sym_int",
                    "as_float",
                    "null",
                    "true",
                    "[",
                    "]",
                    "{",
                    "}",
                    "-1",
                    "9223372036854775807",
                    "1e999",
                    "\"NaN\"",
                    "matmul",
                    "reshape",
                    "view",
                    "expand",
                    "cat",
                    "slice.Tensor",
                    "\"size\"",
                    "\"dim\"",
                    "Mul(",
                    "FloorDiv(",
                    "Integer(1000000000000)"}};
}

Target expression_target() {
  return {.name = "expression",
          .seeds = {"Add(Integer(1), Mul(Integer(2), Symbol('s0', positive=True, integer=True)))",
                    "FloorToInt(IntTrueDiv(Max(s1, Pow(s0, Integer(3))), Mod(s0, Integer(7))))",
                    "CeilToInt(Mul(Rational(1, 2), Min(s0, s1)))"},
          .read =
              [](const std::string& input) {
                ir::Dims dims;
                const auto dim = import::pt2::parse_expression(
                    input, dims, [&](const std::string& name) { return dims.symbol(name); });
                if (dim) dims.to_string(*dim);
              },
          .words = {"Add(", "Mul(", "Pow(", "Mod(", "Integer(", "Rational(", ")", ",", "s0", "-1",
                    "1099511627776", "Symbol('", "'"}};
}

}  // namespace tenon::fuzz
