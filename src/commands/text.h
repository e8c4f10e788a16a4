// How numbers and JSON look in reports.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tenon::commands {

/// "1.2 MB": powers of 1000.
std::string format_bytes(uint64_t bytes);

/// JSON as `--json` prints it: indented; bytes that are no UTF-8 replaced.
std::string to_text(const nlohmann::ordered_json& json);

}  // namespace tenon::commands
