#include "commands/command.h"

#include <nlohmann/json.hpp>

#include "commands/text.h"

namespace tenon::commands {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kMismatch: return 1;
    case ErrorKind::kUsage: return 2;
    case ErrorKind::kIo: return 3;
    case ErrorKind::kBadModel: return 4;
    case ErrorKind::kUnsupported: return 5;
    case ErrorKind::kBadShape: return 6;
    case ErrorKind::kBadInput: return 7;
    case ErrorKind::kRuntime: return 8;
    case ErrorKind::kInternal: return 9;
  }
  std::unreachable();
}

std::string to_json(const Error& error) {
  using Json = nlohmann::ordered_json;
  Json diagnostics = Json::array();
  for (const Diagnostic& d : error.diagnostics) {
    Json entry = {{"message", d.message}};
    if (!d.where.file.empty()) entry["file"] = d.where.file;
    if (!d.where.node.empty()) entry["node"] = d.where.node;
    if (!d.where.source.empty()) entry["source"] = d.where.source;
    if (!d.advice.empty()) entry["advice"] = d.advice;
    diagnostics.push_back(std::move(entry));
  }
  const Json object = {{"error",
                        {{"kind", to_string(error.kind)},
                         {"exit_code", exit_code(error.kind)},
                         {"diagnostics", std::move(diagnostics)}}}};
  return to_text(object);
}

}  // namespace tenon::commands
