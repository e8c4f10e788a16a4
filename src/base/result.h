// How errors travel: user errors as `Result`, broken invariants of ours as one exception type that
// only the public API catches.
#pragma once

#include <expected>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon {

/// What kind of failure a user meets; each maps to one documented exit code (docs/cli.md).
enum class ErrorKind : uint8_t {
  kUsage,        ///< the call itself is wrong: unknown option, missing argument
  kIo,           ///< a file cannot be read or written
  kBadModel,     ///< the model file is damaged or breaks its format's rules
  kUnsupported,  ///< a valid model uses something that Tenon does not have
  kBadShape,     ///< shapes or dtypes that cannot work together
  kBadInput,     ///< wrong input data at the call
  kRuntime,      ///< a kernel reported an error, such as an index out of range
  kMismatch,     ///< a comparison found a difference beyond its tolerance
  kInternal,     ///< a bug of ours
};

/// "unsupported", "bad-model", ... as `--json` and messages print it.
std::string_view to_string(ErrorKind kind);

/// Where in the user's model something is; any field may be empty.
struct Where {
  std::string file;
  std::string node;    ///< the name of the node, with its operator
  std::string source;  ///< the PyTorch line, when the file carries one

  bool empty() const { return file.empty() && node.empty() && source.empty(); }
};

/// One thing that is wrong: what, where, and what to do about it.
struct Diagnostic {
  std::string message;
  Where where = {};
  std::string advice = {};
};

/// All failures of one kind that were found; never empty.
struct Error {
  ErrorKind kind;
  std::vector<Diagnostic> diagnostics;

  /// Every diagnostic on its own lines, as the command line shows it.
  std::string text() const;
};

template <class T>
using Result = std::expected<T, Error>;

std::unexpected<Error> fail(ErrorKind kind, std::string message, Where where = {},
                            std::string advice = {});

/// A bug in Tenon: names the step or node at work when it was found.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void internal_error(std::string_view what, const char* file, int line);

}  // namespace tenon

#define TENON_CONCAT_(a, b) a##b
#define TENON_CONCAT(a, b) TENON_CONCAT_(a, b)

/// `TENON_TRY(auto x, f());` binds the value of a Result or returns its error from the enclosing
/// function.
#define TENON_TRY(declaration, expression)                                      \
  auto TENON_CONCAT(result_, __LINE__) = (expression);                          \
  if (!TENON_CONCAT(result_, __LINE__))                                         \
    return std::unexpected(std::move(TENON_CONCAT(result_, __LINE__)).error()); \
  declaration = *std::move(TENON_CONCAT(result_, __LINE__))

/// The same for a Result<void>, or where the value is not wanted.
#define TENON_TRY_DO(expression)                                                             \
  if (auto TENON_CONCAT(result_, __LINE__) = (expression); !TENON_CONCAT(result_, __LINE__)) \
  return std::unexpected(std::move(TENON_CONCAT(result_, __LINE__)).error())

/// States an invariant of ours; `what` is a string that names what was expected.
#define TENON_CHECK(condition, what) \
  ((condition) ? static_cast<void>(0) : ::tenon::internal_error((what), __FILE__, __LINE__))
