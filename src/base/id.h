// Typed 32-bit handles into vectors.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace tenon {

/// An index into a vector of things of one kind; ids of different tags do not convert into each
/// other. A default-constructed id is "none".
template <class Tag>
struct Id {
  uint32_t index = UINT32_MAX;

  constexpr Id() = default;
  constexpr explicit Id(size_t i) : index(static_cast<uint32_t>(i)) {}
  constexpr explicit operator bool() const { return index != UINT32_MAX; }
  constexpr auto operator<=>(const Id&) const = default;
};

}  // namespace tenon

template <class Tag>
struct std::hash<tenon::Id<Tag>> {
  size_t operator()(tenon::Id<Tag> id) const noexcept { return id.index; }
};
