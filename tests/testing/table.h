// Tables in tests/tables: figures that are the same on every machine and that a change alters on
// purpose. One row per line, sorted; lines that begin with # say what the columns are.
//
//     TENON_BLESS=1 build/release/bin/test_driver
//
// writes what is found into them; the difference belongs into the commit that makes it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "testing/checkout.h"

namespace tenon::testing {

/// Whether tests/tables/`name` has exactly these rows; what differs, old and new.
inline ::testing::AssertionResult matches_table(const std::string& name,
                                                const std::set<std::string>& rows) {
  const std::filesystem::path path = in_checkout("tests/tables") / name;
  std::ifstream file(path);
  std::string comments;
  std::set<std::string> old;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) {
      comments += line + "\n";
    } else {
      old.insert(line);
    }
  }
  if (old == rows) return ::testing::AssertionSuccess();
  if (std::getenv("TENON_BLESS")) {
    std::ofstream written(path);
    written << comments;
    for (const std::string& row : rows) written << row << "\n";
    return ::testing::AssertionSuccess();
  }
  auto result = ::testing::AssertionFailure() << path.string() << " says otherwise:\n";
  for (const std::string& row : old) {
    if (!rows.contains(row)) result << "  old  " << row << "\n";
  }
  for (const std::string& row : rows) {
    if (!old.contains(row)) result << "  new  " << row << "\n";
  }
  return result << "TENON_BLESS=1 with this test writes the new rows";
}

}  // namespace tenon::testing
