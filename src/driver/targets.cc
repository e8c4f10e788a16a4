#include "driver/targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace tenon::driver {

Result<std::vector<Target>> find_targets(std::string_view names) {
  std::vector<Target> found;
  while (true) {
    const size_t comma = names.find(',');
    TENON_TRY(Target target, find_target(names.substr(0, comma)));
    if (std::ranges::find(found, target.name, &Target::name) != found.end()) {
      return fail(ErrorKind::kUsage, fmt::format("the target '{}' is there twice", target.name));
    }
    found.push_back(std::move(target));
    if (comma == std::string_view::npos) break;
    names.remove_prefix(comma + 1);
  }
  const std::vector<std::string> order = target_names();
  std::ranges::sort(found, std::greater(), [&](const Target& target) {
    return std::ranges::find(order, target.name) - order.begin();
  });
  return found;
}

}  // namespace tenon::driver
