// The list of everything that a model needs and Tenon lacks.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace tenon::import {

class MissingList {
 public:
  /// One node that needs `what`; where the first one is goes into the message.
  void add(const std::string& what, const Where& where);

  bool empty() const { return order_.empty(); }
  /// kUnsupported with one diagnostic per thing that is missing, in the order of first use.
  Error error() const;

 private:
  struct Entry {
    Where first;
    size_t count = 0;
  };
  std::map<std::string, Entry> entries_;
  std::vector<std::string> order_;
};

}  // namespace tenon::import
