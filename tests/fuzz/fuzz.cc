#include "fuzz/fuzz.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <random>

namespace tenon::fuzz {
namespace {

constexpr unsigned kSeconds = 20;
constexpr rlim_t kBytes = rlim_t{2} << 30;

// For the signal handler.
const char* current_target = "";
size_t current_run = 0;

void report(int signal) {
  char text[200];
  const int length = std::snprintf(text, sizeof(text), "fuzz: %s, run %zu: signal %d\n",
                                   current_target, current_run, signal);
  if (write(STDERR_FILENO, text, static_cast<size_t>(length)) < 0) _exit(2);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

/// Virtual memory that the process may have: what it has, and kBytes more.
void limit_memory() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  long pages = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  const rlim_t bytes = static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
  const rlimit limit = {bytes + kBytes, RLIM_INFINITY};
  setrlimit(RLIMIT_AS, &limit);
#endif
}

class Mutator {
 public:
  Mutator(const Target& target, size_t run)
      : target_(target), random_(static_cast<uint32_t>(run)), text_(one_of(target.seeds)) {}

  std::string mutate() {
    for (size_t changes = 1 + below(8); changes > 0; --changes) change();
    return text_;
  }

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  const std::string& one_of(const std::vector<std::string>& list) {
    return list[below(list.size())];
  }

  void change() {
    const size_t at = below(text_.size() + 1), length = 1 + below(below(4) == 0 ? 64 : 8);
    switch (below(target_.words.empty() ? 7 : 9)) {
      case 0: return void(at < text_.size() && (text_[at] ^= static_cast<char>(1 << below(8))));
      case 1: return void(at < text_.size() && (text_[at] = static_cast<char>(random_())));
      case 2: return void(text_.erase(at, length));
      case 3: return void(text_.insert(at, text_, below(text_.size() + 1), length));
      case 4: return number(at);
      case 5: return void(text_.resize(at));
      case 6: {
        const std::string& other = one_of(target_.seeds);
        return void(text_.replace(at, std::string::npos, other, below(other.size() + 1)));
      }
      case 7: return void(text_.insert(at, one_of(target_.words)));
      default: return void(text_.replace(at, length, one_of(target_.words)));
    }
  }

  /// Writes an integer that is often a limit of something, in one of the usual widths.
  void number(size_t at) {
    constexpr uint64_t kNumbers[] = {0,          1,           0x7f,        0x80,
                                     0xff,       0x7fff'ffff, 0x8000'0000, 0xffff'ffff,
                                     1ULL << 40, INT64_MAX,   1ULL << 63,  UINT64_MAX};
    const uint64_t value = kNumbers[below(std::size(kNumbers))];
    const size_t width = size_t{1} << below(4);
    if (at + width > text_.size()) return;
    std::memcpy(&text_[at], &value, width);
  }

  const Target& target_;
  std::mt19937 random_;
  std::string text_;
};

}  // namespace

std::string mutated(const Target& target, size_t run) { return Mutator(target, run).mutate(); }

void fuzz(const Target& target, size_t first, size_t count) {
  limit_memory();
  current_target = target.name.c_str();
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM}) {
    std::signal(signal, report);
  }
  for (current_run = first; current_run < first + count; ++current_run) {
    const std::string input = mutated(target, current_run);
    alarm(kSeconds);
    target.read(input);
  }
  alarm(0);
}

}  // namespace tenon::fuzz
