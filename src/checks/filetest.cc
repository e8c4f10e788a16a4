#include "checks/filetest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <regex>

#include "base/contains.h"
#include "base/sections.h"
#include "checks/subject.h"
#include "codegen/codegen.h"
#include "commands/difference.h"
#include "ir/graph.h"
#include "ir/text_cursor.h"

namespace tenon::checks {
namespace {

using Steps = std::set<std::string>;

constexpr size_t kMostLines = 120;  // of an expected text: pin what the test is about

/// What a section asks for.
struct Request {
  enum class Kind : uint8_t { kText, kRun, kError } kind = Kind::kText;
  std::string from, to;
  Steps without;
  std::string show;  ///< empty: our text; else "llvm" or "assembly"
  std::string lines;
};

std::string step_before(std::string_view step) {
  const std::vector<std::string> steps = driver::step_names();
  const auto found = std::ranges::find(steps, step);
  return found == steps.begin() || found == steps.end() ? std::string(driver::kImport)
                                                        : *(found - 1);
}

Result<Request> parse_request(std::string_view title) {
  Request request;
  const size_t lines = title.find(" lines ");
  if (lines != std::string_view::npos) {
    request.lines = title.substr(lines + 7);
    title = title.substr(0, lines);
  }
  ir::TextCursor cursor(title);
  if (cursor.accept("run")) request.kind = Request::Kind::kRun;
  if (cursor.accept("error")) request.kind = Request::Kind::kError;
  while (!cursor.at_end()) {
    const ir::TextCursor start = cursor;
    TENON_TRY(const std::string_view word, cursor.word());
    TENON_TRY(const std::string_view name, cursor.number_text());
    if (word == "step") request.from = step_before(name);
    if (word == "step" || word == "to") {
      request.to = name;
    } else if (word == "without") {
      request.without.emplace(name);
    } else if (word == "show") {
      request.show = name;
    } else {
      return start.error("expected 'run', 'error', 'step', 'to', 'without', 'show' or 'lines'");
    }
  }
  if (request.kind == Request::Kind::kText && request.to.empty()) {
    return cursor.error("expected 'step' or 'to'");
  }
  return request;
}

std::string only_lines(std::string_view text, const std::string& pattern) {
  if (pattern.empty()) return std::string(text);
  const std::regex wanted(pattern);
  std::string found;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line(text.substr(at, end - at));
    if (std::regex_search(line, wanted)) found += line + "\n";
    at = end + 1;
  }
  return found;
}

/// The text of the part of a state that the steps so far are about.
std::string text_of(const driver::State& state, const std::string& show) {
  std::string text;
  const auto add = [&](const ir::Function& function) {
    text += show == "llvm"       ? codegen::llvm_text(function, state.target)
            : show == "assembly" ? codegen::assembly(function, state.target)
                                 : ir::to_string(function);
  };
  for (const ir::Function& function : state.functions) add(function);
  if (state.functions.empty()) {
    for (const passes::Kernel& kernel : state.kernels) add(kernel.function);
  }
  if (!text.empty()) return text;
  text = ir::to_string(state.module);
  if (state.prepare) text += "prepare " + ir::to_string(state.prepare->module);
  return text;
}

/// Without the place in our sources that a broken invariant names.
std::string text_of(const Error& error) {
  static const std::regex place(R"( \(\S+:\d+\))");
  return std::regex_replace(error.text(), place, "") + "\n";
}

bool agree(const ops::Tensor& a, const ops::Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         commands::compare(a, b).needed_tolerance <= commands::default_tolerance(a.dtype());
}

std::vector<std::string> names_of(const std::vector<NamedTensor>& values) {
  std::vector<std::string> names;
  for (const NamedTensor& value : values) names.push_back(value.name);
  return names;
}

/// The first line in which two texts differ.
std::string first_difference(std::string_view expected, std::string_view found) {
  const auto [e, f] = std::ranges::mismatch(expected, found);
  const auto start = expected.substr(0, e - expected.begin()).rfind('\n') + 1;
  const auto line = [start](std::string_view text) {
    return text.substr(start, std::min(text.find('\n', start), text.size()) - start);
  };
  return fmt::format("line {} is\n    {}\n  and not\n    {}",
                     std::ranges::count(expected.substr(0, start), '\n') + 1, line(found),
                     line(expected));
}

class Runner {
 public:
  Runner(std::string_view text, bool must_fail)
      : text_(text), sections_(split_sections(text)), must_fail_(must_fail) {}

  Outcome run() {
    outcome_.blessed = sections_[0].body;
    Result<void> done;
    try {
      done = all();
    } catch (const std::regex_error& error) {
      done = fail(ErrorKind::kBadModel, fmt::format("after 'lines': {}", error.what()));
    }
    if (!done) {
      problem("", done.error().text());
      outcome_.blessed = text_;
    }
    return std::move(outcome_);
  }

 private:
  void problem(std::string_view title, std::string_view text) {
    outcome_.problems.push_back(title.empty() ? std::string(text)
                                              : fmt::format("{}: {}", title, text));
  }

  Result<void> all() {
    TENON_TRY(const Target target, header());
    if (sections_.size() < 3 || sections_[1].title != "input") {
      return fail(ErrorKind::kBadModel, "expected '==== input' and at least one part after it");
    }
    keep(sections_[1]);
    Result<Subject> subject = Subject::read(sections_[1].body, target);
    std::vector<Request> requests;
    for (const Section& section : std::span(sections_).subspan(2)) {
      TENON_TRY(requests.emplace_back(), parse_request(section.title));
      variants_.insert(requests.back().without);
    }
    for (size_t i = 0; i < requests.size(); ++i) {
      const Section& section = sections_[i + 2];
      if ((requests[i].kind == Request::Kind::kError) != must_fail_) {
        return fail(ErrorKind::kBadModel,
                    "files with 'error', and no others, have names that begin with 'fail_'");
      }
      if (must_fail_) {
        expect(section, error_of(subject, requests[i]));
      } else {
        TENON_TRY_DO(subject);
        if (requests[i].kind == Request::Kind::kRun) {
          TENON_TRY_DO(check_values(section, *subject));
        } else {
          TENON_TRY(const driver::State state, advance(*subject, requests[i]));
          expect(section, only_lines(text_of(state, requests[i].show), requests[i].lines));
        }
      }
    }
    return {};
  }

  Result<Target> header() {
    ir::TextCursor cursor(sections_[0].body);
    std::string_view name = "x86-64-v3";
    if (cursor.accept("target")) {
      TENON_TRY(name, cursor.number_text());
    }
    if (!cursor.at_end()) return cursor.error("expected 'target', comments or '==== input'");
    return find_target(name);
  }

  static Result<driver::State> advance(const Subject& subject, const Request& request) {
    const driver::CompileOptions options{.without = request.without};
    return subject.advance(request.from, request.to, options);
  }

  static std::string error_of(const Result<Subject>& subject, const Request& request) {
    if (!subject) return text_of(subject.error());
    if (request.to.empty()) return "no error\n";
    const Result<driver::State> state = advance(*subject, request);
    return state ? "no error\n" : text_of(state.error());
  }

  void keep(const Section& section) {
    outcome_.blessed += fmt::format("==== {}\n{}", section.title, section.body);
  }

  void expect(const Section& section, const std::string& found) {
    outcome_.blessed += fmt::format("==== {}\n{}", section.title, found);
    if (found != section.body) problem(section.title, first_difference(section.body, found));
    if (std::ranges::count(found, '\n') > static_cast<std::ptrdiff_t>(kMostLines)) {
      problem(section.title,
              fmt::format("more than {} lines: choose some with 'lines'", kMostLines));
    }
  }

  Result<void> check_values(const Section& section, const Subject& subject) {
    TENON_TRY(const Values values, parse_values(section.body));
    TENON_TRY(const std::vector<NamedTensor> reference, subject.interpret(values));
    bless_values(section, values, reference);
    compare(section, "the interpreter", reference, values.tensors);
    const bool random = std::ranges::any_of(values.tensors, &NamedTensor::random);
    for (const NamedTensor& value : reference) {
      if (!random && values.find(value.name) == nullptr) {
        problem(section.title, fmt::format("expected a value '{}'", value.name));
      }
    }
    for (const Steps& without : variants_) {
      TENON_TRY(const std::vector<NamedTensor> native, subject.run(values, {.without = without}));
      compare(section,
              without.empty() ? "native code"
                              : fmt::format("native code without {}", fmt::join(without, ", ")),
              native, reference);
    }
    return {};
  }

  /// Every result against the expected tensor of its name, if there is one.
  void compare(const Section& section, std::string_view who, const std::vector<NamedTensor>& found,
               const std::vector<NamedTensor>& expected) {
    for (const NamedTensor& value : found) {
      const auto other = std::ranges::find(expected, value.name, &NamedTensor::name);
      if (other == expected.end() || other->random || agree(value.tensor, other->tensor)) continue;
      problem(section.title, fmt::format("{} gives\n    {}\n  and not\n    {}", who,
                                         to_string(value), to_string(*other)));
    }
  }

  /// The inputs, then the results: as the interpreter found them, unless what stands there agrees.
  /// A run on random inputs need not say its results.
  void bless_values(const Section& section, const Values& values,
                    const std::vector<NamedTensor>& reference) {
    outcome_.blessed += fmt::format("==== {}\n", section.title);
    for (const auto& [name, number] : values.numbers) {
      outcome_.blessed += fmt::format("{} = {}\n", name, number);
    }
    const bool random = std::ranges::any_of(values.tensors, &NamedTensor::random);
    for (const NamedTensor& value : values.tensors) {
      const bool is_result = contains(names_of(reference), value.name);
      if (!is_result || value.random) outcome_.blessed += to_string(value) + "\n";
    }
    for (const NamedTensor& value : reference) {
      const NamedTensor* given = values.find(value.name);
      if (given == nullptr && random) continue;
      if (given != nullptr && given->random) continue;
      const bool stays = given != nullptr && agree(value.tensor, given->tensor);
      outcome_.blessed += to_string(stays ? *given : value) + "\n";
    }
  }

  std::string_view text_;
  std::vector<Section> sections_;
  bool must_fail_;
  std::set<Steps> variants_ = {{}};  ///< what native code is made without
  Outcome outcome_;
};

}  // namespace

Outcome run_filetest(std::string_view text, bool must_fail) {
  return Runner(text, must_fail).run();
}

}  // namespace tenon::checks
