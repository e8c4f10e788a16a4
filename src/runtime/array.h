// Owning memory without the C++ library: a plain array, and a base for objects made with `new`.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

namespace tenon::runtime {

/// An owned array of plain data.
template <class T>
class Array {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  Array() = default;
  Array(Array&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Array& operator=(Array&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Array() { std::free(data_); }

  /// `count` zeroed elements instead of what was there; false when memory is short.
  [[nodiscard]] bool reset(size_t count) {
    std::free(std::exchange(data_, nullptr));
    size_ = 0;
    if (count == 0) return true;
    data_ = static_cast<T*>(std::calloc(count, sizeof(T)));
    if (data_) size_ = count;
    return data_ != nullptr;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

/// Gives a class `new` and `delete` on malloc; `new` gives null when memory is short.
struct Allocated {
  static void* operator new(size_t bytes) noexcept { return std::malloc(bytes); }
  static void* operator new(size_t bytes, std::align_val_t alignment) noexcept {
    size_t align = static_cast<size_t>(alignment);
    return std::aligned_alloc(align, (bytes + align - 1) / align * align);
  }
  static void operator delete(void* memory) { std::free(memory); }
  static void operator delete(void* memory, std::align_val_t) { std::free(memory); }
};

}  // namespace tenon::runtime
