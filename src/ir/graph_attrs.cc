#include <fmt/format.h>

#include <algorithm>

#include "ir/graph.h"

namespace tenon::ir {
namespace {

template <class T>
const T& get(const Attrs& attrs, std::string_view name) {
  const AttrValue* value = attrs.find(name);
  TENON_CHECK(value != nullptr, fmt::format("an attribute '{}'", name));
  TENON_CHECK(std::holds_alternative<T>(*value), fmt::format("'{}' of the asked kind", name));
  return std::get<T>(*value);
}

auto position(auto& entries, std::string_view name) {
  return std::ranges::lower_bound(
      entries, name, {}, [](const auto& entry) -> std::string_view { return entry.first; });
}

}  // namespace

Attrs::Attrs(std::initializer_list<std::pair<std::string_view, AttrValue>> list) {
  for (const auto& [name, value] : list) set(name, value);
}

int64_t Attrs::integer(std::string_view name) const { return get<int64_t>(*this, name); }
int64_t Attrs::integer_or(std::string_view name, int64_t otherwise) const {
  return has(name) ? integer(name) : otherwise;
}
double Attrs::number(std::string_view name) const { return get<double>(*this, name); }
bool Attrs::flag(std::string_view name) const { return get<bool>(*this, name); }
bool Attrs::flag_or(std::string_view name, bool otherwise) const {
  return has(name) ? flag(name) : otherwise;
}
const std::string& Attrs::text(std::string_view name) const {
  return get<std::string>(*this, name);
}
DType Attrs::dtype(std::string_view name) const { return get<DType>(*this, name); }
const std::vector<int64_t>& Attrs::integers(std::string_view name) const {
  return get<std::vector<int64_t>>(*this, name);
}
const std::vector<double>& Attrs::numbers(std::string_view name) const {
  return get<std::vector<double>>(*this, name);
}
const std::vector<Dim>& Attrs::dims(std::string_view name) const {
  return get<std::vector<Dim>>(*this, name);
}
DataId Attrs::data(std::string_view name) const { return get<DataId>(*this, name); }

const AttrValue* Attrs::find(std::string_view name) const {
  const auto entry = position(entries_, name);
  return entry != entries_.end() && entry->first == name ? &entry->second : nullptr;
}

void Attrs::set(std::string_view name, AttrValue value) {
  const auto entry = position(entries_, name);
  if (entry != entries_.end() && entry->first == name) {
    entry->second = std::move(value);
  } else {
    entries_.emplace(entry, name, std::move(value));
  }
}

void Attrs::erase(std::string_view name) {
  std::erase_if(entries_, [name](const auto& entry) { return entry.first == name; });
}

}  // namespace tenon::ir
