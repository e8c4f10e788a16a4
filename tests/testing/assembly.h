// Facts about the hot loop of generated assembly, which hold on any machine: an inner loop at full
// speed has as many fused multiply-adds as its tile needs, no spills and no register moves.
#pragma once

#include <algorithm>
#include <map>
#include <ranges>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::testing {

/// Counts of one innermost loop.
struct LoopFacts {
  int instructions = 0;
  int fma = 0;     ///< vector or scalar fused multiply-adds
  int loads = 0;   ///< instructions that read memory, prefetches left out
  int spills = 0;  ///< instructions that use the stack
  int moves = 0;   ///< from vector register to vector register
  int calls = 0;
  std::string text;
};

inline LoopFacts loop_facts(const std::vector<std::string>& lines) {
  static const std::regex fma(R"(^(vfn?m(add|sub)\d|fml[as]|fn?m(add|sub)\b).*)");
  static const std::regex x86_load(R"(^(?!lea|prefetch|nop)\S+\s+[^#]*\([^)]*\),.*)");
  static const std::regex arm_load(R"(^ld\S*\s.*)");
  static const std::regex stack(R"(.*(\(%rsp|\[sp\b).*)");
  static const std::regex move(
      R"(^(v?mov(ap|up|dq)\S*\s+%[xyz]mm\d+, %[xyz]mm\d+|mov\s+v\d+\.\w+, v\d+\.\w+)\s*$)");
  static const std::regex call(R"(^(call|bl\s|blr\s).*)");
  LoopFacts facts;
  for (const std::string& line : lines) {
    auto is = [&](const std::regex& kind) { return std::regex_match(line, kind); };
    ++facts.instructions;
    facts.fma += is(fma);
    facts.loads += is(x86_load) || is(arm_load);
    facts.spills += is(stack);
    facts.moves += is(move);
    facts.calls += is(call);
    facts.text += line + "\n";
  }
  return facts;
}

/// The loops of an assembly listing (AT&T x86-64 or AArch64) that hold no other loop, in order.
inline std::vector<LoopFacts> innermost_loops(std::string_view assembly) {
  static const std::regex jump(R"(^(j\w+|b|b\.\w+|cbn?z|tbn?z)\s+(.*,\s*)?(\.L\w+)\s*$)");
  std::vector<std::string> lines;
  std::map<std::string, size_t> labels;
  struct Span {
    size_t begin, end;
  };
  std::vector<Span> loops;
  for (auto range : std::views::split(assembly, '\n')) {
    std::string line(range.begin(), range.end());
    line.erase(0, line.find_first_not_of(" \t"));
    if (size_t colon = line.find(':'); colon != std::string::npos && line.starts_with('.')) {
      labels[line.substr(0, colon)] = lines.size();
      continue;
    }
    if (line.empty() || line[0] == '.' || line[0] == '#') continue;
    std::smatch match;
    lines.push_back(line);
    if (!std::regex_match(line, match, jump)) continue;
    if (auto label = labels.find(match[3]); label != labels.end()) {
      loops.push_back({label->second, lines.size()});
    }
  }
  std::vector<LoopFacts> result;
  for (const Span& loop : loops) {
    auto inside = [&](const Span& other) {
      return &other != &loop && other.begin >= loop.begin && other.end <= loop.end;
    };
    if (std::ranges::any_of(loops, inside)) continue;
    result.push_back(loop_facts({lines.begin() + static_cast<std::ptrdiff_t>(loop.begin),
                                 lines.begin() + static_cast<std::ptrdiff_t>(loop.end)}));
  }
  return result;
}

/// The innermost loop with the most fused multiply-adds; empty facts when there is no loop.
inline LoopFacts hot_loop(std::string_view assembly) {
  LoopFacts hottest;
  for (LoopFacts& loop : innermost_loops(assembly)) {
    if (hottest.text.empty() || loop.fma > hottest.fma) hottest = std::move(loop);
  }
  return hottest;
}

}  // namespace tenon::testing
