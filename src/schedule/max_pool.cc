// Max pools over channels-last memory: the largest elements under a window stay in registers, some
// vectors of channels at a time, and are stored once.
#include <algorithm>
#include <limits>

#include "schedule/families.h"

namespace tenon::schedule {
namespace {

using ir::E;
using ir::LoopScope;
using ir::Module;
using ir::Node;

constexpr int kX = 0;

bool applies(const Module& module, const Node& node, const Target& target) {
  if (node.op != ir::Op::kMaxPool) return false;
  const ir::TensorType& result = module.value(node.outputs[0]).type;
  const auto& dilations = node.attrs.integers("dilations");
  return result.dtype == ir::DType::kFloat32 && result.dims[1].is_constant() &&
         2 * result.dims[1].value() >= target.lanes(4) &&
         std::ranges::count(dilations, 1) == std::ssize(dilations);
}

OperandLayout operand_layout(const Module&, const Node&, int) {
  OperandLayout layout;
  layout.channels_last = true;
  return layout;
}

class Loops {
 public:
  explicit Loops(LoopScope& scope)
      : scope_(scope),
        b_(scope.builder()),
        x_(scope.view(kX)),
        lanes_(scope.target().lanes(4)),
        spatial_(scope.attrs().integers("kernel").size()),
        channels_(scope.result_type(0).dims[1].value()),
        index_(2 + spatial_),
        windows_(spatial_) {}

  void run() {
    const E images = scope_.dim(scope_.result_type(0).dims[0]), outer = size(0);
    const E rows = images * outer, block = b_.integer(rows_of_a_task(rows));
    const E task = b_.tasks((rows + (block - 1)) / block);
    const E first = b_.let("first", task * block);
    b_.loop("row", first, b_.let("end", b_.min(first + block, rows)), 1, [&](E row) {
      index_[0] = b_.let("n", row / outer);
      image_ = b_.let("image", x_.offset + index_[0] * x_.strides[0]);
      position(0, b_.let("o", row % outer));
    });
  }

 private:
  struct Range {
    E begin, end;
  };

  E size(size_t axis) { return scope_.dim(scope_.result_type(0).dims[2 + axis]); }

  /// Rows along the outermost spatial axis: as many as give enough tasks, each with enough loads.
  int64_t rows_of_a_task(E rows) {
    constexpr int64_t kTasks = 32, kLoads = 1 << 10;
    if (!rows.constant()) return 1;
    int64_t loads = (channels_ + lanes_ - 1) / lanes_;
    for (size_t axis = 0; axis < spatial_; ++axis) {
      loads *= scope_.attrs().integers("kernel")[axis];
      if (axis > 0) loads *= size(axis).constant().value_or(1);
    }
    return std::max<int64_t>({1, *rows.constant() / kTasks, kLoads / std::max<int64_t>(1, loads)});
  }

  /// All results at that position along the axis.
  void position(size_t axis, E at) {
    const ir::Attrs& attrs = scope_.attrs();
    index_[2 + axis] = at;
    const E start =
        b_.let("start", at * attrs.integers("strides")[axis] - attrs.integers("pads")[axis]);
    const E input = scope_.dim(scope_.operand_type(kX).dims[2 + axis]);
    windows_[axis] = {b_.let("begin", b_.max(start, b_.integer(0))),
                      b_.let("stop", b_.min(start + attrs.integers("kernel")[axis], input))};
    if (axis + 1 == spatial_) return all_channels();
    b_.loop("i", size(axis + 1), [&](E i) { position(axis + 1, i); });
  }

  void all_channels() {
    constexpr int kAtOnce = 4;
    const int64_t width = int64_t{kAtOnce} * lanes_, rest = channels_ % width;
    b_.loop("c", b_.integer(0), b_.integer(channels_ - rest), width,
            [&](E c) { channels(c, kAtOnce, lanes_, {}); });
    if (rest == 0) return;
    const int vectors = static_cast<int>((rest + lanes_ - 1) / lanes_);
    const int64_t last = rest - int64_t{vectors - 1} * lanes_;
    const int last_lanes = 2 * last <= lanes_ ? lanes_ / 2 : lanes_;
    E mask;
    if (last < last_lanes) {
      mask = b_.ramp(b_.integer(0), 1, last_lanes) < b_.broadcast(b_.integer(last), last_lanes);
    }
    channels(b_.integer(channels_ - rest), vectors, last_lanes, mask);
  }

  /// Some vectors of channels; `mask` is the last one's.
  void channels(E c, int vectors, int last_lanes, E mask) {
    const auto lanes_of = [&](int v) { return v + 1 == vectors ? last_lanes : lanes_; };
    const auto mask_of = [&](int v) { return v + 1 == vectors ? mask : E(); };
    constexpr double kLowest = -std::numeric_limits<double>::infinity();
    std::vector<ir::R> largest;
    for (int v = 0; v < vectors; ++v) {
      const ir::VectorType type{ir::DType::kFloat32, static_cast<uint16_t>(lanes_of(v))};
      largest.push_back(b_.let_register("largest", b_.number(kLowest, type)));
    }
    under_window(0, image_ + c * x_.strides[1], [&](E address) {
      for (int v = 0; v < vectors; ++v) {
        const E element = b_.load(x_.buffer, address + v * lanes_, lanes_of(v), mask_of(v));
        b_.assign(largest[v], b_.max(largest[v], element));
      }
    });
    for (int v = 0; v < vectors; ++v) {
      index_[1] = c + v * lanes_;
      scope_.store(0, index_, largest[v], {1, lanes_of(v), mask_of(v)});
    }
  }

  void under_window(size_t axis, E address, const std::function<void(E)>& body) {
    if (axis == spatial_) return body(address);
    b_.loop("w", windows_[axis].begin, windows_[axis].end, 1, [&](E at) {
      under_window(axis + 1, b_.let("at", address + at * x_.strides[2 + axis]), body);
    });
  }

  LoopScope& scope_;
  ir::LoopBuilder& b_;
  const ir::View x_;
  const int lanes_;
  const size_t spatial_;
  const int64_t channels_;
  std::vector<E> index_;        ///< of the result
  std::vector<Range> windows_;  ///< of the input, by spatial axis
  E image_;
};

void loops(LoopScope& scope) { Loops(scope).run(); }

}  // namespace

const Recipe& max_pool_recipe() {
  static const Recipe recipe = {"max_pool", applies, operand_layout, true, loops};
  return recipe;
}

}  // namespace tenon::schedule
