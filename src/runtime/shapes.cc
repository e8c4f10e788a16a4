#include "runtime/shapes.h"

#include <algorithm>

#include "runtime/error.h"

namespace tenon::runtime {
namespace {

/// "f32[1, 3, 224, 224]"
Text describe(const tenon_tensor& tensor) {
  Text text;
  text.add("%s[", dtype_name(tensor.dtype));
  for (uint32_t d = 0; d < std::min(tensor.rank, TENON_MAX_RANK); ++d) {
    text.add("%s%lld", d ? ", " : "", static_cast<long long>(tensor.dims[d]));
  }
  return text.add("]");
}

bool is_free(const tenon_module& module, uint32_t input, uint32_t d) {
  const tenon_slot& slot = module.slots[module.inputs[input].dims[d]];
  return slot.op == TENON_SLOT_DIM && slot.a == input && slot.b == d;
}

/// "f32[?, 3, ?]": constants as numbers, dims that vary as '?'.
Text describe_expected(const tenon_module& module, uint32_t input) {
  const tenon_binding& binding = module.inputs[input];
  Text text;
  text.add("%s[", dtype_name(binding.dtype));
  for (uint32_t d = 0; d < binding.rank; ++d) {
    const tenon_slot& slot = module.slots[binding.dims[d]];
    text.add("%s", d ? ", " : "");
    if (slot.op == TENON_SLOT_CONSTANT) {
      text.add("%lld", static_cast<long long>(slot.value));
    } else {
      text.add("?");
    }
  }
  return text.add("]");
}

const char* input_name(const tenon_module& module, uint32_t input) {
  return module.strings + module.inputs[input].name;
}

/// "'x' f32[1, 3], 'y' i64[1]"
Text describe_all(const tenon_module& module, const tenon_tensor* inputs) {
  Text text;
  for (uint32_t i = 0; i < module.input_count; ++i) {
    text.add("%s'%s' %s", i ? ", " : "", input_name(module, i), describe(inputs[i]).c_str());
  }
  return text;
}

int32_t mismatch(const tenon_module& module, uint32_t input, const tenon_tensor& given,
                 const char* why, tenon_error* error) {
  return fail(error, TENON_ERROR_INPUT, "input '%s' is %s but the call gives %s: %s",
              input_name(module, input), describe_expected(module, input).c_str(),
              describe(given).c_str(), why);
}

/// All that can be said before slots have values.
int32_t check_kinds(const tenon_module& module, const tenon_tensor* inputs, tenon_error* error) {
  for (uint32_t i = 0; i < module.input_count; ++i) {
    const tenon_binding& binding = module.inputs[i];
    const tenon_tensor& given = inputs[i];
    Text why;
    if (given.rank != binding.rank) {
      why.add("it must have %u dims, not %u", binding.rank, given.rank);
      return mismatch(module, i, given, why.c_str(), error);
    }
    if (given.dtype != binding.dtype) {
      why.add("its dtype must be %s", dtype_name(binding.dtype));
      return mismatch(module, i, given, why.c_str(), error);
    }
    for (uint32_t d = 0; d < given.rank; ++d) {
      if (given.dims[d] >= 0) continue;
      return mismatch(module, i, given, why.add("dim %u is negative", d).c_str(), error);
    }
  }
  return TENON_OK;
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/// False when the result is not a number of 64 bits.
bool combine(uint32_t op, int64_t a, int64_t b, int64_t& result) {
  switch (op) {
    case TENON_SLOT_ADD: return !__builtin_add_overflow(a, b, &result);
    case TENON_SLOT_SUB: return !__builtin_sub_overflow(a, b, &result);
    case TENON_SLOT_MUL: return !__builtin_mul_overflow(a, b, &result);
    case TENON_SLOT_FLOOR_DIV: result = b > 0 ? floor_div(a, b) : 0; return b > 0;
    case TENON_SLOT_MOD: result = b > 0 ? a - floor_div(a, b) * b : 0; return b > 0;
    case TENON_SLOT_MIN: result = std::min(a, b); return true;
    default: result = std::max(a, b); return true;
  }
}

bool is_one(Range range) { return range.least == range.most; }

/// All but the remainder take their least and most values at ends of the operands' ranges.
bool combine(uint32_t op, Range a, Range b, Range& result) {
  if (is_one(a) && is_one(b)) {
    if (!combine(op, a.least, b.least, result.least)) return false;
    result.most = result.least;
    return true;
  }
  if (op == TENON_SLOT_MOD) {
    result = {0, b.most - 1};
    if (a.least >= 0) result.most = std::min(result.most, a.most);
    return b.least > 0;
  }
  result = {INT64_MAX, INT64_MIN};
  for (int64_t x : {a.least, a.most}) {
    for (int64_t y : {b.least, b.most}) {
      int64_t value = 0;
      if (!combine(op, x, y, value)) return false;
      result = {std::min(result.least, value), std::max(result.most, value)};
    }
  }
  return true;
}

/// False when a result is not a number of 64 bits.
bool evaluate(const tenon_slot& slot, const Range* ranges, const tenon_tensor* inputs,
              Range& result) {
  switch (slot.op) {
    case TENON_SLOT_CONSTANT: result = {slot.value, slot.value}; return true;
    case TENON_SLOT_DIM: {
      const int64_t dim = inputs[slot.a].dims[slot.b];
      result = {dim, dim};
      return true;
    }
    case TENON_SLOT_READ: result = {0, ranges[slot.b].most}; return result.most >= 0;
    default: return combine(slot.op, ranges[slot.a], ranges[slot.b], result);
  }
}

int32_t wrong_dim(const tenon_module& module, uint32_t input, uint32_t d, int64_t expected,
                  const tenon_tensor& given, tenon_error* error) {
  const tenon_slot& slot = module.slots[module.inputs[input].dims[d]];
  Text why;
  why.add("dim %u must be %lld", d, static_cast<long long>(expected));
  if (slot.op == TENON_SLOT_DIM) {
    why.add(", as dim %u of input '%s'", slot.b, input_name(module, slot.a));
  } else if (slot.op != TENON_SLOT_CONSTANT) {
    why.add(" for the other sizes of this call");
  }
  return mismatch(module, input, given, why.c_str(), error);
}

}  // namespace

bool fits_slots(const tenon_module& module, const int64_t* slots, const tenon_tensor* inputs) {
  for (uint32_t i = 0; i < module.input_count; ++i) {
    const tenon_binding& binding = module.inputs[i];
    const tenon_tensor& given = inputs[i];
    if (given.dtype != binding.dtype || given.rank != binding.rank) return false;
    for (uint32_t d = 0; d < binding.rank; ++d) {
      if (given.dims[d] != slots[binding.dims[d]]) return false;
    }
  }
  return true;
}

int32_t evaluate_slots(const tenon_module& module, const tenon_tensor* inputs, Range* ranges,
                       tenon_error* error) {
  if (int32_t code = check_kinds(module, inputs, error)) return code;
  uint32_t first_bad = module.slot_count;
  for (uint32_t s = 0; s < module.slot_count && first_bad == module.slot_count; ++s) {
    if (!evaluate(module.slots[s], ranges, inputs, ranges[s])) first_bad = s;
  }
  // A wrong dim is the better message: it may be what made a later slot overflow.
  for (uint32_t i = 0; i < module.input_count; ++i) {
    for (uint32_t d = 0; d < module.inputs[i].rank; ++d) {
      uint32_t slot = module.inputs[i].dims[d];
      if (is_free(module, i, d) || slot >= first_bad) continue;
      if (ranges[slot].most == inputs[i].dims[d]) continue;
      return wrong_dim(module, i, d, ranges[slot].most, inputs[i], error);
    }
  }
  if (first_bad < module.slot_count) {
    return fail(error, TENON_ERROR_INPUT,
                "a size of the model is undefined or too large for inputs %s",
                describe_all(module, inputs).c_str());
  }
  for (uint32_t i = 0; i < module.output_count; ++i) {
    int64_t bytes = 0;
    const auto most = [&](uint32_t slot) { return ranges[slot].most; };
    if (tensor_bytes(module.outputs[i], most, bytes)) continue;
    return fail(error, TENON_ERROR_INPUT, "output '%s' would have an impossible size for inputs %s",
                module.strings + module.outputs[i].name, describe_all(module, inputs).c_str());
  }
  return TENON_OK;
}

int64_t slot_value(const tenon_slot& slot, const int64_t* slots) {
  int64_t value = 0;
  combine(slot.op, slots[slot.a], slots[slot.b], value);
  return value;
}

}  // namespace tenon::runtime
