#include "import/missing.h"

#include <fmt/format.h>

namespace tenon::import {

void MissingList::add(const std::string& what, const Where& where) {
  const auto [entry, is_new] = entries_.try_emplace(what, where);
  ++entry->second.count;
  if (is_new) order_.push_back(what);
}

Error MissingList::error() const {
  Error error{ErrorKind::kUnsupported, {}};
  for (const std::string& what : order_) {
    const Entry& entry = entries_.at(what);
    std::string message = what + " is not supported";
    if (entry.count > 1) message += fmt::format(" ({} nodes)", entry.count);
    error.diagnostics.push_back({std::move(message), entry.first, {}});
  }
  return error;
}

}  // namespace tenon::import
