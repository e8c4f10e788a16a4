// The version of Tenon, as artifacts carry it.
#pragma once

#include <string_view>

namespace tenon::driver {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace tenon::driver
