#include "base/sections.h"

#include <gtest/gtest.h>

namespace tenon {
namespace {

TEST(Sections, PartsAreViewsWithTheirLines) {
  const auto sections = split_sections("head\n\n==== one 1\na\nb\n==== two\n==== three\nno end");
  ASSERT_EQ(sections.size(), 4U);
  EXPECT_EQ(sections[0].title, "");
  EXPECT_EQ(sections[0].body, "head\n\n");
  EXPECT_EQ(sections[1].title, "one 1");
  EXPECT_EQ(sections[1].body, "a\nb\n");
  EXPECT_EQ(sections[1].line, 4U);
  EXPECT_EQ(sections[2].body, "");
  EXPECT_EQ(sections[3].body, "no end");
  EXPECT_EQ(sections[3].line, 8U);
}

TEST(Sections, ATextWithoutTitlesIsOnePart) {
  EXPECT_EQ(split_sections("").size(), 1U);
  EXPECT_EQ(split_sections("x ==== y\n")[0].body, "x ==== y\n");
  EXPECT_EQ(split_sections("==== last")[1].title, "last");
}

}  // namespace
}  // namespace tenon
