// Loops that end one step early or late: each one that runs, in turn.
#include "planted/planted.h"

namespace tenon::testing {
namespace {

struct Place {
  size_t function, statement;
};

std::vector<Place> loops_of(const driver::State& state) {
  std::vector<Place> places;
  for (size_t f = 0; f < state.functions.size(); ++f) {
    const ir::Function& function = state.functions[f];
    for (size_t s = 0; s < function.statements.size(); ++s) {
      if (function.statements[s].kind == ir::StatementKind::kFor) places.push_back({f, s});
    }
  }
  return places;
}

ir::ExprId number(ir::Function& function, ir::DType dtype, int64_t value) {
  return function.intern({.kind = ir::ExprKind::kInteger, .type = {dtype, 1}, .bits = value});
}

/// What is seen when `change(function, loop)` befalls loop number `which`; nothing when there is no
/// such loop.
template <class Change>
std::optional<std::string> finding_of(const Subject& subject, size_t which, Change change) {
  bool planted = false;
  const auto artifact = compile_with(
      subject.module, "distinct-functions",
      [&](driver::State& state) {
        const std::vector<Place> places = loops_of(state);
        if (which >= places.size()) return;
        change(state.functions[places[which].function], places[which].statement);
        planted = true;
      },
      true);
  if (!planted) return std::nullopt;
  return finding(artifact, subject);
}

/// The first thing in the body is a check that fails.
void stop(ir::Function& function, size_t loop) {
  function.statements.push_back({.kind = ir::StatementKind::kCheck,
                                 .value = number(function, ir::DType::kBool, 0),
                                 .number = TENON_KERNEL_INDEX});
  std::vector<ir::StatementId>& body = function.block(function.statements[loop].body).statements;
  body.insert(body.begin(), ir::StatementId(function.statements.size() - 1));
}

void end_later(ir::Function& function, size_t loop, int64_t steps) {
  const ir::Statement original = function.statements[loop];
  const ir::ExprId change = number(function, ir::DType::kInt64, steps * original.number);
  function.statements[loop].value = function.intern({.kind = ir::ExprKind::kAdd,
                                                     .type = {ir::DType::kInt64, 1},
                                                     .a = original.value,
                                                     .b = change});
}

/// What is seen when each loop that runs does `steps` more, in the order of the loops.
std::vector<std::string> findings(const Subject& subject, int64_t steps) {
  std::vector<std::string> all;
  for (size_t loop = 0;; ++loop) {
    const auto stopped = finding_of(subject, loop, stop);
    if (!stopped) return all;
    if (stopped->empty()) continue;  // code for sizes that this model does not have
    all.push_back(*finding_of(subject, loop, [&](ir::Function& function, size_t statement) {
      end_later(function, statement, steps);
    }));
  }
}

TEST(PlantedTileEdge, EveryLoopThatEndsEarlyIsSeen) {
  const std::vector<std::string> all = findings(Subject(false), -1);
  EXPECT_GT(all.size(), 5U);
  EXPECT_EQ(std::ranges::count(all, ""), 0);
}

// Some go unseen, since what they write too much is written again by the tile that follows.
TEST(PlantedTileEdge, LoopsThatEndLateLeaveTheirBuffers) {
  const std::vector<std::string> all = findings(Subject(false), 1);
  EXPECT_TRUE(std::ranges::any_of(
      all, [](const std::string& text) { return text.find("outside a buffer") != text.npos; }));
}

}  // namespace
}  // namespace tenon::testing
