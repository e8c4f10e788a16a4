#include "import/onnx/source_line.h"

#include <gtest/gtest.h>

namespace tenon::import::onnx {
namespace {

std::string line_of(std::string_view trace) {
  return source_line({{"namespace", "ignored"}, {"pkg.torch.onnx.stack_trace", trace}});
}

TEST(SourceLine, IsTheInnermostFrameOutsideOfTorch) {
  EXPECT_EQ(line_of("File \"/home/me/model.py\", line 12, in forward\n"
                    "    x = self.layers(x)\n"
                    "  File \"/lib/site-packages/torch/nn/modules/container.py\", line 253, in "
                    "forward\n"
                    "    input = module(input)"),
            "/home/me/model.py:12 in forward: x = self.layers(x)");
}

TEST(SourceLine, IsTheInnermostFrameWhenAllAreTorchs) {
  EXPECT_EQ(line_of("File \"/lib/torch/a.py\", line 1, in f\n    one\n"
                    "File \"/lib/torch/b.py\", line 2, in g\n    two"),
            "/lib/torch/b.py:2 in g: two");
}

TEST(SourceLine, FramesMayLackTheirCode) {
  EXPECT_EQ(line_of("File \"a.py\", line 1, in f\nFile \"b.py\", line 2, in g"), "b.py:2 in g");
}

TEST(SourceLine, IsEmptyWithoutATrace) {
  EXPECT_EQ(source_line({}), "");
  EXPECT_EQ(line_of("no frames"), "");
}

}  // namespace
}  // namespace tenon::import::onnx
