#include "base/result.h"

#include <fmt/format.h>

namespace tenon {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage: return "usage";
    case ErrorKind::kIo: return "io";
    case ErrorKind::kBadModel: return "bad-model";
    case ErrorKind::kUnsupported: return "unsupported";
    case ErrorKind::kBadShape: return "bad-shape";
    case ErrorKind::kBadInput: return "bad-input";
    case ErrorKind::kRuntime: return "runtime";
    case ErrorKind::kMismatch: return "mismatch";
    case ErrorKind::kInternal: return "internal";
  }
  std::unreachable();
}

std::string Error::text() const {
  std::string out;
  for (const Diagnostic& d : diagnostics) {
    if (!out.empty()) out += '\n';
    if (!d.where.file.empty()) out += fmt::format("{}: ", d.where.file);
    if (!d.where.node.empty()) out += fmt::format("{}: ", d.where.node);
    out += d.message;
    if (!d.where.source.empty()) out += fmt::format("\n    at {}", d.where.source);
    if (!d.advice.empty()) out += fmt::format("\n    {}", d.advice);
  }
  return out;
}

std::unexpected<Error> fail(ErrorKind kind, std::string message, Where where, std::string advice) {
  Error error{kind, {}};
  error.diagnostics.push_back({std::move(message), std::move(where), std::move(advice)});
  return std::unexpected(std::move(error));
}

void internal_error(std::string_view what, const char* file, int line) {
  throw InternalError(fmt::format("internal error: {} ({}:{})", what, file, line));
}

}  // namespace tenon
