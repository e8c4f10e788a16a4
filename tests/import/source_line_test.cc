#include "import/source_line.h"

#include <gtest/gtest.h>

namespace tenon::import {
namespace {

TEST(SourceLine, IsTheInnermostFrameOutsideOfTorch) {
  EXPECT_EQ(source_line("File \"/home/me/model.py\", line 12, in forward\n"
                        "    x = self.layers(x)\n"
                        "  File \"/lib/site-packages/torch/nn/modules/container.py\", line 253, in "
                        "forward\n"
                        "    input = module(input)"),
            "/home/me/model.py:12 in forward: x = self.layers(x)");
}

TEST(SourceLine, IsTheInnermostFrameWhenAllAreTorchs) {
  EXPECT_EQ(source_line("File \"/lib/torch/a.py\", line 1, in f\n    one\n"
                        "File \"/lib/torch/b.py\", line 2, in g\n    two"),
            "/lib/torch/b.py:2 in g: two");
}

TEST(SourceLine, FramesMayLackTheirCode) {
  EXPECT_EQ(source_line("File \"a.py\", line 1, in f\nFile \"b.py\", line 2, in g"), "b.py:2 in g");
}

TEST(SourceLine, IsEmptyWithoutATrace) {
  EXPECT_EQ(source_line({}), "");
  EXPECT_EQ(source_line("no frames"), "");
}

}  // namespace
}  // namespace tenon::import
