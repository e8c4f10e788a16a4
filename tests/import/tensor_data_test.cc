#include "import/onnx/tensor_data.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "import/onnx/wire.h"
#include "testing/temporary_folder.h"

namespace tenon::import::onnx {
namespace {

namespace fs = std::filesystem;

const Limits kLimits;

template <class T>
std::vector<T> elements_of(const TensorBytes& tensor) {
  std::vector<T> elements(tensor.bytes.size() / sizeof(T));
  std::memcpy(elements.data(), tensor.bytes.data(), tensor.bytes.size());
  return elements;
}

Result<TensorBytes> read_listed(Tensor tensor) {
  return TensorReader({}, {}, kLimits).read(tensor);
}

TEST(TensorData, TypedListsHoldEveryDType) {
  const auto floats = read_listed({.dims = {2}, .data_type = 1, .floats = {1.5F, -2}});
  ASSERT_TRUE(floats);
  EXPECT_EQ(elements_of<float>(*floats), (std::vector<float>{1.5F, -2}));
  const auto doubles = read_listed({.dims = {1}, .data_type = 11, .doubles = {0.1}});
  ASSERT_TRUE(doubles);
  EXPECT_EQ(elements_of<double>(*doubles), (std::vector<double>{0.1}));
  const auto bytes = read_listed({.dims = {2}, .data_type = 3, .integers = {-1, 127}});
  ASSERT_TRUE(bytes);
  EXPECT_EQ(elements_of<int8_t>(*bytes), (std::vector<int8_t>{-1, 127}));
  // Half floats are bit patterns, one per number.
  const auto halves = read_listed({.dims = {2}, .data_type = 10, .integers = {0x3c00, 0xc000}});
  ASSERT_TRUE(halves);
  EXPECT_EQ(elements_of<uint16_t>(*halves), (std::vector<uint16_t>{0x3c00, 0xc000}));
  const auto longs = read_listed({.dims = {1}, .data_type = 13, .integers = {-1}});
  ASSERT_TRUE(longs);
  EXPECT_EQ(elements_of<uint64_t>(*longs), (std::vector<uint64_t>{UINT64_MAX}));
}

TEST(TensorData, IntegersOfAFewBitsAreReadAsBytes) {
  // The first element is in the lowest bits; a byte at the end may be half empty.
  Tensor raw{.dims = {3}, .data_type = 22};
  const std::vector<std::byte> nibbles = {std::byte{0x7f}, std::byte{0x08}};
  raw.raw = nibbles;
  const auto signed_nibbles = read_listed(raw);
  ASSERT_TRUE(signed_nibbles);
  EXPECT_EQ(signed_nibbles->type.dtype, ir::DType::kInt8);
  EXPECT_EQ(elements_of<int8_t>(*signed_nibbles), (std::vector<int8_t>{-1, 7, -8}));
  const auto pairs = read_listed({.dims = {5}, .data_type = 25, .integers = {0b11'10'01'00, 2}});
  ASSERT_TRUE(pairs);
  EXPECT_EQ(elements_of<uint8_t>(*pairs), (std::vector<uint8_t>{0, 1, 2, 3, 2}));
  raw.dims = {5};
  EXPECT_FALSE(read_listed(raw));
}

TEST(TensorData, SizesMustAgreeWithDims) {
  EXPECT_FALSE(read_listed({.dims = {3}, .data_type = 1, .floats = {1, 2}}));
  EXPECT_FALSE(read_listed({.dims = {-1}, .data_type = 1}));
  const int64_t huge = int64_t{1} << 40;
  const auto overflowing = read_listed({.dims = {huge, huge}, .data_type = 1});
  ASSERT_FALSE(overflowing);
  EXPECT_EQ(overflowing.error().kind, ErrorKind::kBadModel);
  Tensor raw{.dims = {2}, .data_type = 1};
  const std::vector<std::byte> seven(7);
  raw.raw = seven;
  EXPECT_FALSE(read_listed(raw));
}

TEST(TensorData, AnEmptyTensorNeedsNoData) {
  const auto empty = read_listed({.dims = {0, 3}, .data_type = 1});
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->bytes.empty());
}

TEST(TensorData, ElementTypesThatWeLackAreUnsupported) {
  const auto text = read_listed({.name = "labels", .dims = {1}, .data_type = 8, .string_count = 1});
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind, ErrorKind::kUnsupported);
  EXPECT_NE(text.error().text().find("string"), std::string::npos);
  EXPECT_NE(text.error().text().find("labels"), std::string::npos);
  EXPECT_FALSE(read_listed({.dims = {}, .data_type = 99}));
}

/// A directory with a model and, outside of it, a file that no model should reach.
class ExternalData : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ / "model");
    write(root_ / "model" / "model.onnx", "");
    write(root_ / "model" / "weights", std::string(8, '\1') + std::string(8, '\2'));
    write(root_ / "secret", std::string(16, '\3'));
  }

  static void write(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  Result<TensorBytes> read(const std::string& location, const std::string& offset = "0",
                           const std::string& length = "8") {
    Tensor tensor{.name = "w", .dims = {8}, .data_type = 3, .is_external = true};
    tensor.external = {{"location", location}, {"offset", offset}};
    if (!length.empty()) tensor.external.emplace_back("length", length);
    readers_.push_back(
        std::make_unique<TensorReader>(root_ / "model", root_ / "model" / "model.onnx", kLimits));
    return readers_.back()->read(tensor);
  }

  const testing::TemporaryFolder folder_;
  const fs::path root_ = folder_.path();
  std::vector<std::unique_ptr<TensorReader>> readers_;
};

TEST_F(ExternalData, IsReadAtItsOffset) {
  const auto data = read("weights", "8");
  ASSERT_TRUE(data) << data.error().text();
  EXPECT_EQ(elements_of<int8_t>(*data), std::vector<int8_t>(8, 2));
  EXPECT_TRUE(read("weights", "8", "")) << "the length may be absent";
  fs::create_directories(root_ / "model" / "sub");
  write(root_ / "model" / "sub" / "part", std::string(8, '\4'));
  EXPECT_TRUE(read("sub/part"));
}

TEST_F(ExternalData, LocationsOutsideAreRefused) {
  for (const std::string& location :
       {std::string(""), std::string("../secret"), std::string("sub/../../secret"),
        (root_ / "secret").string(), std::string("..\\secret"), std::string("c:secret"),
        std::string("weights\0x", 9)}) {
    const auto data = read(location);
    ASSERT_FALSE(data) << location;
    EXPECT_EQ(data.error().kind, ErrorKind::kBadModel) << location;
  }
}

TEST_F(ExternalData, LinksToTheOutsideAreRefused) {
  fs::create_symlink(root_ / "secret", root_ / "model" / "link");
  const auto data = read("link");
  ASSERT_FALSE(data);
  EXPECT_NE(data.error().text().find("outside"), std::string::npos);
  fs::create_directory_symlink(root_, root_ / "model" / "up");
  EXPECT_FALSE(read("up/secret"));
}

TEST_F(ExternalData, LinksIntoTheStoreThatHoldsTheModelAreFollowed) {
  // A hub's cache: model and data are both links into one directory of blobs.
  fs::create_directories(root_ / "blobs");
  write(root_ / "blobs" / "1", "");
  write(root_ / "blobs" / "2", std::string(8, '\5'));
  fs::remove(root_ / "model" / "model.onnx");
  fs::create_symlink(root_ / "blobs" / "1", root_ / "model" / "model.onnx");
  fs::create_symlink(root_ / "blobs" / "2", root_ / "model" / "model.data");
  const auto data = read("model.data");
  ASSERT_TRUE(data) << data.error().text();
  EXPECT_EQ(elements_of<int8_t>(*data), std::vector<int8_t>(8, 5));
}

TEST_F(ExternalData, BoundsAreChecked) {
  EXPECT_FALSE(read("weights", "9"));
  EXPECT_FALSE(read("weights", "17"));
  EXPECT_FALSE(read("weights", "18446744073709551615"));
  EXPECT_FALSE(read("weights", "-1"));
  EXPECT_FALSE(read("weights", "8 "));
  EXPECT_FALSE(read("weights", "0", "7"));
  EXPECT_FALSE(read("weights", "0", "18446744073709551615"));
}

TEST_F(ExternalData, AMissingFileIsAnIoError) {
  const auto data = read("nothing");
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().kind, ErrorKind::kIo);
  EXPECT_FALSE(read(".")) << "a directory is no file";
}

}  // namespace
}  // namespace tenon::import::onnx
