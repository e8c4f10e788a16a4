// Files of torch.export.save: what is read, and what is refused. Operators are held against eager
// in tests/python/test_pt2.py.
#include "import/pt2.h"

#include <gtest/gtest.h>

#include "import/aten.h"
#include "import/pt2/expression.h"
#include "ir/verify.h"
#include "testing/pt2_writer.h"
#include "testing/run_module.h"

namespace tenon::import {
namespace {

using testing::pt2_entries;
using testing::ZipEntry;

Result<ir::Module> import_entries(const std::vector<ZipEntry>& entries,
                                  const ImportOptions& options = {}) {
  const auto memory = std::make_shared<std::string>(testing::zip(entries));
  return import_pt2(std::as_bytes(std::span(*memory)), memory, options);
}

std::string error_of(const Result<ir::Module>& module) {
  return module ? "no error" : module.error().text();
}

/// The error after a change to the entry whose path ends so.
template <class Change>
std::string error_with(std::string_view path, Change change) {
  std::vector<ZipEntry> entries = pt2_entries();
  for (ZipEntry& entry : entries) {
    if (entry.path.ends_with(path)) change(entry);
  }
  return error_of(import_entries(entries));
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(Pt2, ReadsWeightsSymbolsAndLines) {
  const Result<ir::Module> module = import_entries(pt2_entries());
  ASSERT_TRUE(module) << module.error().text();
  EXPECT_EQ(ir::verify(*module), "");
  const std::string text = ir::to_string(*module);
  EXPECT_NE(text.find("f32[s0, 2]"), std::string::npos) << text;
  EXPECT_EQ(module->dims.limits().at("s0"), 8);
  EXPECT_EQ(module->graph.output_names, std::vector<std::string>{"r"});
  bool has_line = false;
  for (ir::NodeId node : module->graph.nodes) {
    has_line |= module->where(node).source == "model.py:7 in forward: return self.fc(x)";
  }
  EXPECT_TRUE(has_line);
}

TEST(Pt2, DeflatedEntriesAreRead) {
  std::vector<ZipEntry> entries = pt2_entries();
  for (ZipEntry& entry : entries) entry.is_deflated = true;
  EXPECT_EQ(error_of(import_entries(entries)), "no error");
}

TEST(Pt2, ShapesFixSymbols) {
  ImportOptions options;
  options.shapes["x"] = {3, 2};
  const Result<ir::Module> module = import_entries(pt2_entries(), options);
  ASSERT_TRUE(module) << module.error().text();
  EXPECT_NE(ir::to_string(*module).find("f32[3, 2]"), std::string::npos);
  options.shapes["x"] = {9, 2};
  EXPECT_NE(error_of(import_entries(pt2_entries(), options)).find("'s0' cannot be 9"),
            std::string::npos);
  options.shapes = {{"y", {1}}};
  EXPECT_NE(error_of(import_entries(pt2_entries(), options)).find("'y', which is no input"),
            std::string::npos);
}

TEST(Pt2, LiesOfTheArchiveAreFound) {
  EXPECT_NE(error_with("weight_0", [](ZipEntry& e) { e.checksum = 1; }).find("checksum"),
            std::string::npos);
  EXPECT_NE(error_with("weight_0", [](ZipEntry& e) { e.size = 4; }).find("two sizes"),
            std::string::npos);
  EXPECT_NE(error_with("weight_0", [](ZipEntry& e) { e.flags = 1; }).find("encrypted"),
            std::string::npos);
  EXPECT_NE(error_with("weight_0", [](ZipEntry& e) { e.path = "m/../weight_0"; }).find("leaves"),
            std::string::npos);
  EXPECT_NE(error_with("byteorder", [](ZipEntry& e) { e.path = "m/archive_format"; }).find("twice"),
            std::string::npos);
  const auto unpacks_to_more = [](ZipEntry& entry) {
    entry.is_deflated = true;
    entry.size = 1;
  };
  EXPECT_NE(error_with("weight_0", unpacks_to_more).find("does not unpack"), std::string::npos);
  const auto bomb = [](ZipEntry& entry) {
    entry.is_deflated = true;
    entry.size = 0xf0000000U;
  };
  EXPECT_NE(error_with("weight_0", bomb).find("far more than its own size"), std::string::npos);
}

TEST(Pt2, ValuesAreHeldAgainstTheFile) {
  const auto claim = [](ZipEntry& entry) {
    const std::string l = R"("l":)";
    const size_t at = entry.data.find(l);
    entry.data.replace(at, l.size() + std::string_view(R"({"dtype":7)").size(),
                       R"("l":{"dtype":8)");
  };
  EXPECT_NE(error_with("model.json", claim).find("gives 'l' as f32[s0, 2], but the file says f64"),
            std::string::npos);
}

TEST(Pt2, DamagedJsonIsToldWithItsPlace) {
  const auto error = [](std::string_view from, std::string_view to) {
    return error_with("model.json",
                      [&](ZipEntry& entry) { entry.data = replaced(entry.data, from, to); });
  };
  EXPECT_NE(error("\"target\":", "\"targot\":").find("node 0: field 'target' is missing"),
            std::string::npos);
  EXPECT_NE(error("\"major\":8", "\"major\":9").find("version 9"), std::string::npos);
  EXPECT_NE(error("{\"graph_module\"", "[{\"graph_module\"").find("damaged JSON"),
            std::string::npos);
  EXPECT_NE(error("aten.linear.default", "aten.unheard.default").find("operator unheard"),
            std::string::npos);
  EXPECT_NE(error("\"name\":\"l\"}},\"kind\"", "\"name\":\"z\"}},\"kind\"").find("'z' is read"),
            std::string::npos);
  EXPECT_NE(error_with("model.json", [](ZipEntry& e) { e.data = std::string(5000, '['); })
                .find("nested too deeply"),
            std::string::npos);
}

TEST(Aten, InputsWithoutPayloadAreInputsOfTheModule) {
  const Payloads none = [](const AtenInput& input) -> Result<std::optional<TensorBytes>> {
    EXPECT_TRUE(input.name == "w" || input.name == "x");
    if (input.name == "x") return std::nullopt;
    TensorBytes ones{{ir::DType::kFloat32, {2, 2}}, {}, std::vector<std::byte>(16)};
    ones.bytes = ones.owned;
    return ones;
  };
  const Result<ir::Module> module = import_aten(testing::pt2_graph(), none, {});
  ASSERT_TRUE(module) << module.error().text();
  EXPECT_EQ(module->graph.inputs.size(), 1U);
}

TEST(Expression, ReadsWhatSympyWrites) {
  ir::Dims dims;
  const auto read = [&](std::string_view text) {
    const auto dim = pt2::parse_expression(
        text, dims, [&](const std::string& name) { return dims.symbol(name); });
    return dim ? dims.to_string(*dim) : dim.error().text();
  };
  const std::string s = "Symbol('s0', integer=True, positive=True)";
  EXPECT_EQ(read("Integer(7)"), "7");
  EXPECT_EQ(read("s0"), "s0");
  EXPECT_EQ(read("Add(Integer(1), Mul(Integer(2), " + s + "))"), "2*s0 + 1");
  EXPECT_EQ(read("FloorDiv(" + s + ", Integer(2))"), "floor_div(s0, 2)");
  EXPECT_EQ(read("FloorToInt(IntTrueDiv(" + s + ", Integer(2)))"), "floor_div(s0, 2)");
  EXPECT_EQ(read("Mul(Rational(1, 2), Mul(Integer(4), " + s + "))"), "2*s0");
  EXPECT_EQ(read("Pow(" + s + ", Integer(2))"), "s0*s0");
  EXPECT_EQ(read("Max(Integer(1), Integer(3))"), "3");
  for (const char* bad : {"", "Add(", "Integer(99999999999999999999)", "FloorDiv(s0, 2) x",
                          "Mul(Integer(1000000000000), Integer(1000000000000))", "Symbol(s0)"}) {
    EXPECT_NE(read(bad).find("is no size"), std::string::npos) << bad;
  }
  EXPECT_NE(read("Piecewise(s0, s0)").find("Piecewise"), std::string::npos);
}

}  // namespace
}  // namespace tenon::import
