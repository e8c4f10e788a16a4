#include "commands/text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tenon::commands {

std::string format_bytes(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double amount = static_cast<double>(bytes);
  const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  for (; amount >= 999.95 && unit + 1 < std::size(units); ++unit) amount /= 1000;
  return fmt::format("{:.1f} {}", amount, units[unit]);
}

std::string to_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace tenon::commands
