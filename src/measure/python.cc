#include "measure/python.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

namespace tenon::measure {

namespace fs = std::filesystem;

std::vector<std::string> python_environment(const std::vector<std::string>& settings) {
  std::vector<std::string> list = settings;
  auto is_set = [&](std::string_view name) {
    return std::ranges::any_of(settings, [&](const std::string& s) { return s.starts_with(name); });
  };
  std::string path;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('=') + 1);
    if (name == "PYTHONPATH=") {
      path = text.substr(name.size());
    } else if (!is_set(name)) {
      list.emplace_back(text);
    }
  }
  std::error_code failure;
  const fs::path program = fs::read_symlink("/proc/self/exe", failure);
  const fs::path package = program.parent_path().parent_path() / "python";
  if (fs::exists(package / "tenon" / "peer.py", failure))
    path = package.string() + (path.empty() ? "" : ":") + path;
  if (!path.empty()) list.push_back("PYTHONPATH=" + path);
  return list;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& string : strings) list.push_back(string.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace tenon::measure
