#include "commands/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "ir/dim.h"
#include "runtime/abi.h"

namespace tenon::commands {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  ir::DType dtype = ir::DType::kFloat32;
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorKind::kBadInput, fmt::format("damaged .npy data: {}", what));
}

std::string descr_of(ir::DType dtype) {
  if (dtype == ir::DType::kBool) return "|b1";
  if (dtype == ir::DType::kBFloat16) return "<V2";
  const int bytes = ir::size_of(dtype);
  const char kind = ir::is_float(dtype) ? 'f' : ir::is_signed(dtype) ? 'i' : 'u';
  return fmt::format("{}{}{}", bytes == 1 ? '|' : '<', kind, bytes);
}

std::optional<ir::DType> dtype_of(std::string_view descr) {
  constexpr ir::DType kAll[] = {
#define DTYPE(name, text, bytes, kind) ir::DType::name,
#include "ir/dtype.def"
#undef DTYPE
  };
  for (ir::DType dtype : kAll) {
    if (!descr.empty() && descr.substr(1) == descr_of(dtype).substr(1)) return dtype;
  }
  return std::nullopt;
}

/// Reads the dict: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  Result<Header> parse() {
    Header header;
    if (!take('{')) return damaged("no dict in the header");
    int seen = 0;
    while (!take('}')) {
      const auto key = quoted();
      if (!key || !take(':')) return damaged("no key in the header");
      ++seen;
      if (*key == "descr") {
        TENON_TRY_DO(descr(header));
      } else if (*key == "fortran_order") {
        header.fortran_order = word("True");
        if (!header.fortran_order && !word("False")) return damaged("fortran_order is no bool");
      } else if (*key == "shape") {
        TENON_TRY_DO(shape(header));
      } else {
        return damaged(fmt::format("unknown key '{}' in the header", *key));
      }
      take(',');
    }
    if (seen != 3) return damaged("the header has not descr, fortran_order and shape");
    return header;
  }

 private:
  Result<void> descr(Header& header) {
    const auto text = quoted();
    if (!text) return fail(ErrorKind::kBadInput, "arrays with fields are not tensors");
    const auto dtype = dtype_of(*text);
    if (!dtype)
      return fail(ErrorKind::kBadInput, fmt::format("dtype '{}' is not one that Tenon has", *text));
    header.dtype = *dtype;
    header.big_endian = text->front() == '>';
    return {};
  }

  Result<void> shape(Header& header) {
    if (!take('(')) return damaged("shape is no tuple");
    while (!take(')')) {
      skip_space();
      int64_t dim = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), dim);
      if (error != std::errc() || dim < 0) return damaged("shape has an entry that is no size");
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      header.shape.push_back(dim);
      take(',');
    }
    if (header.shape.size() > TENON_MAX_RANK) {
      return fail(ErrorKind::kBadInput, fmt::format("{} axes, at most {} are possible",
                                                    header.shape.size(), TENON_MAX_RANK));
    }
    return {};
  }

  void skip_space() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }
  bool word(std::string_view text) {
    skip_space();
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  bool take(char c) { return word({&c, 1}); }
  std::optional<std::string_view> quoted() {
    skip_space();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) return std::nullopt;
    const size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::string_view rest_;
};

/// The elements of `from`, whose first axis is the fastest, in row-major order.
void from_fortran_order(std::span<const std::byte> from, ops::Tensor& to) {
  const auto size = static_cast<size_t>(ir::size_of(to.dtype()));
  const std::vector<int64_t>& shape = to.shape();
  std::vector<int64_t> index(shape.size(), 0);
  for (int64_t i = 0; i < to.count(); ++i) {
    int64_t offset = 0;
    for (size_t axis = shape.size(); axis-- > 0;) offset = offset * shape[axis] + index[axis];
    std::memcpy(to.bytes() + static_cast<size_t>(i) * size,
                from.data() + static_cast<size_t>(offset) * size, size);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

}  // namespace

Result<ops::Tensor> parse_npy(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic) || text.size() < 12) return damaged("it does not start as .npy");
  const int version = text[6];
  if (version < 1 || version > 3) return damaged(fmt::format("version {}", version));
  size_t header_bytes = 0;
  const size_t length_bytes = version == 1 ? 2 : 4;
  for (size_t i = length_bytes; i-- > 0;)
    header_bytes = header_bytes << 8 | static_cast<uint8_t>(text[8 + i]);
  const size_t start = 8 + length_bytes;
  if (header_bytes > text.size() - start) return damaged("the header is cut off");
  TENON_TRY(const Header header, HeaderParser(text.substr(start, header_bytes)).parse());

  const std::span<const std::byte> elements = bytes.subspan(start + header_bytes);
  const auto size = static_cast<size_t>(ir::size_of(header.dtype));
  const std::optional<int64_t> count = ir::checked_product(header.shape);
  if (!count || static_cast<uint64_t>(*count) > elements.size() / size ||
      static_cast<size_t>(*count) * size != elements.size()) {
    return damaged(fmt::format("shape ({}) of {} does not fit {} bytes",
                               fmt::join(header.shape, ", "), ir::to_string(header.dtype),
                               elements.size()));
  }
  ops::Tensor tensor(header.dtype, header.shape);
  if (header.fortran_order) {
    from_fortran_order(elements, tensor);
  } else if (!elements.empty()) {
    std::memcpy(tensor.bytes(), elements.data(), elements.size());
  }
  for (size_t i = 0; header.big_endian && i < elements.size(); i += size)
    std::reverse(tensor.bytes() + i, tensor.bytes() + i + size);
  return tensor;
}

std::string npy_header(const ops::Tensor& tensor) {
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                 descr_of(tensor.dtype()), fmt::join(tensor.shape(), ", "),
                                 tensor.rank() == 1 ? "," : "");
  // The elements start at a multiple of 64 bytes, behind a newline.
  const size_t prefix = kMagic.size() + 4;
  dict.append(63 - (prefix + dict.size()) % 64, ' ');
  dict += '\n';
  const char start[] = {1, 0, static_cast<char>(dict.size() & 0xff),
                        static_cast<char>(dict.size() >> 8)};
  return std::string(kMagic) + std::string(start, sizeof(start)) + dict;
}

}  // namespace tenon::commands
