// The Python package's modules as programs, run by the `python3` of $PATH.
#pragma once

#include <string>
#include <vector>

namespace tenon::measure {

/// This process's environment, in which `python3 -m tenon...` finds the package of this build where
/// there is one. `settings` are "NAME=value" in place of what is set.
std::vector<std::string> python_environment(const std::vector<std::string>& settings = {});

/// For posix_spawn: the strings' characters, then null. They stay the strings'.
std::vector<char*> pointers(std::vector<std::string>& strings);

}  // namespace tenon::measure
