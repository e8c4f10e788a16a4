// Texts of files that messages may show.
#pragma once

#include <string_view>

namespace tenon::import {

/// Whether the bytes are well-formed UTF-8.
bool is_utf8(std::string_view bytes);

}  // namespace tenon::import
