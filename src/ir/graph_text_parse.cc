#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "ir/dim_text.h"
#include "ir/element_text.h"
#include "ir/graph_text.h"
#include "ir/text_cursor.h"

namespace tenon::ir {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const DataResolver& resolve) : cursor_(text), resolve_(resolve) {}

  Result<Module> parse() {
    TENON_TRY_DO(cursor_.expect("module"));
    TENON_TRY(module_.name, cursor_.quoted_text());
    if (cursor_.accept("graph")) {
      TENON_TRY(module_.graph.name, cursor_.quoted_text());
    }
    TENON_TRY_DO(cursor_.expect("{"));
    while (!cursor_.accept("}")) TENON_TRY_DO(statement());
    if (!cursor_.at_end()) return cursor_.error("more text than one module");
    return std::move(module_);
  }

 private:
  Result<void> statement() {
    if (cursor_.sees("%")) return node();
    if (cursor_.accept("input")) return input();
    if (cursor_.accept("output")) return output();
    if (cursor_.accept("size")) return read_size();
    if (cursor_.accept("limit")) return limit();
    if (cursor_.accept("place")) return placement();
    if (cursor_.accept("group")) return group();
    return cursor_.error(
        "expected a value, 'input', 'output', 'place', 'group', 'size', 'limit' or '}'");
  }

  /// Items between brackets, separated by commas.
  Result<void> list(std::string_view open, std::string_view close, auto item) {
    TENON_TRY_DO(cursor_.expect(open));
    for (bool first = true; !cursor_.accept(close); first = false) {
      if (!first) TENON_TRY_DO(cursor_.expect(","));
      TENON_TRY_DO(item());
    }
    return {};
  }

  template <class T>
  Result<std::vector<T>> items(auto item) {
    std::vector<T> all;
    TENON_TRY_DO(list("[", "]", [&]() -> Result<void> {
      TENON_TRY(T next, item());
      all.push_back(std::move(next));
      return {};
    }));
    return all;
  }

  Result<Dim> dim() { return parse_dim(cursor_, module_.dims); }
  Result<std::vector<Dim>> dims() {
    return items<Dim>([this] { return dim(); });
  }

  Result<std::string> optional_label() {
    if (!cursor_.sees_quote()) return std::string();
    return cursor_.quoted_text();
  }

  Result<DType> dtype() {
    const TextCursor start = cursor_;
    TENON_TRY(const std::string_view word, cursor_.word());
    const std::optional<DType> found = parse_dtype(word);
    if (!found) return start.error(fmt::format("no element type '{}'", word));
    return *found;
  }

  Result<int64_t> value_number() {
    TENON_TRY_DO(cursor_.expect("%"));
    return cursor_.integer();
  }

  Result<ValueId> reference() {
    const TextCursor start = cursor_;
    TENON_TRY(const int64_t number, value_number());
    const auto entry = values_.find(number);
    if (entry == values_.end()) return start.error(fmt::format("%{} is not defined", number));
    return entry->second;
  }

  Result<NodeId> node_reference() {
    const TextCursor start = cursor_;
    TENON_TRY(const ValueId value, reference());
    const NodeId producer = module_.producer(value);
    if (!producer) return start.error("expected the result of a node");
    return producer;
  }

  /// What stands on the left of a definition: `%2 "name": f32[n, 3]`.
  struct Definition {
    int64_t number;
    std::string name;
    TensorType type;
  };

  Result<Definition> definition() {
    const TextCursor start = cursor_;
    Definition result;
    TENON_TRY(result.number, value_number());
    if (!defined_.insert(result.number).second) {
      return start.error(fmt::format("%{} is defined twice", result.number));
    }
    TENON_TRY(result.name, optional_label());
    TENON_TRY_DO(cursor_.expect(":"));
    TENON_TRY(result.type.dtype, dtype());
    TENON_TRY(result.type.dims, dims());
    return result;
  }

  Result<void> input() {
    TENON_TRY(Definition result, definition());
    values_[result.number] = module_.add_input(std::move(result.type), std::move(result.name));
    return {};
  }

  Result<void> output() {
    TENON_TRY(const ValueId value, reference());
    TENON_TRY(std::string name, optional_label());
    module_.graph.outputs.push_back(value);
    module_.graph.output_names.push_back(std::move(name));
    return {};
  }

  Result<void> node() {
    std::vector<Definition> results;
    do {
      TENON_TRY(results.emplace_back(), definition());
    } while (cursor_.accept(","));
    TENON_TRY_DO(cursor_.expect("="));
    const TextCursor start = cursor_;
    TENON_TRY(const std::string_view name, cursor_.word());
    const std::optional<Op> op = find_op(name);
    if (!op) return start.error(fmt::format("no operator '{}'", name));
    std::vector<ValueId> inputs;
    TENON_TRY_DO(list("(", ")", [&]() -> Result<void> {
      if (cursor_.accept("_")) {
        inputs.emplace_back();
        return {};
      }
      TENON_TRY(inputs.emplace_back(), reference());
      return {};
    }));
    Attrs attrs;
    if (cursor_.sees("{")) {
      TENON_TRY_DO(list("{", "}", [&] { return attribute(*op, results[0].type, attrs); }));
    }
    TENON_TRY(const OriginId from, origin());
    std::vector<TensorType> types;
    for (const Definition& result : results) types.push_back(result.type);
    const NodeId id = module_.make_node(*op, std::move(inputs), std::move(attrs), types, from);
    module_.graph.nodes.push_back(id);
    for (size_t i = 0; i < results.size(); ++i) {
      const ValueId value = module_.node(id).outputs[i];
      values_[results[i].number] = value;
      module_.value(value).name = std::move(results[i].name);
    }
    return {};
  }

  Result<OriginId> origin() {
    if (!cursor_.accept("from")) return OriginId();
    Origin origin;
    TENON_TRY(origin.node, cursor_.quoted_text());
    TENON_TRY(origin.source, optional_label());
    const auto [entry, is_new] = origins_.try_emplace({origin.node, origin.source});
    if (is_new) entry->second = module_.add_origin(std::move(origin));
    return entry->second;
  }

  Result<void> attribute(Op op, const TensorType& type, Attrs& attrs) {
    const TextCursor start = cursor_;
    TENON_TRY(const std::string_view name, cursor_.word());
    const std::vector<OpInfo::Attribute>& known = info(op).attributes;
    const auto row = std::ranges::find(known, name, &OpInfo::Attribute::name);
    if (row == known.end()) {
      return start.error(fmt::format("'{}' has no attribute '{}'", info(op).name, name));
    }
    if (attrs.has(name)) return start.error(fmt::format("attribute '{}' is given twice", name));
    TENON_TRY_DO(cursor_.expect("="));
    TENON_TRY(AttrValue value, attribute_value(row->kind, type));
    attrs.set(name, std::move(value));
    return {};
  }

  Result<AttrValue> attribute_value(std::string_view kind, const TensorType& type) {
    if (kind == "int") return cursor_.integer();
    if (kind == "float") return number();
    if (kind == "bool") return flag();
    if (kind == "str") return cursor_.quoted_text();
    if (kind == "dtype") return dtype();
    if (kind == "ints") return items<int64_t>([this] { return cursor_.integer(); });
    if (kind == "floats") return items<double>([this] { return number(); });
    if (kind == "dims") return dims();
    TENON_CHECK(kind == "data", "an attribute kind of graph.def");
    return data(type);
  }

  Result<void> element(DType type, std::byte* bytes) {
    const TextCursor start = cursor_;
    TENON_TRY(const std::string_view text, cursor_.number_text());
    if (!parse_element(type, text, bytes)) {
      return start.error(fmt::format("'{}' is no {}", text, to_string(type)));
    }
    return {};
  }

  Result<double> number() {
    double value;
    TENON_TRY_DO(element(DType::kFloat64, reinterpret_cast<std::byte*>(&value)));
    return value;
  }

  Result<bool> flag() {
    if (cursor_.accept("true")) return true;
    if (cursor_.accept("false")) return false;
    return cursor_.error("expected 'true' or 'false'");
  }

  Result<DataId> data(const TensorType& type) {
    const TextCursor start = cursor_;
    std::vector<int64_t> factors = {size_of(type.dtype)};
    for (Dim dim : type.dims) {
      if (!dim.is_constant()) return start.error("data of a type that is not static");
      factors.push_back(dim.value());
    }
    const std::optional<int64_t> size = checked_product(factors);
    if (!size) return start.error("data of a type that no memory can hold");
    if (cursor_.accept("@")) {
      TENON_TRY(const std::string_view hash, cursor_.number_text());
      const std::optional<Data> found = resolve_ ? resolve_(hash) : std::nullopt;
      if (!found) return start.error(fmt::format("no data for @{}", hash));
      if (found->bytes.size() != static_cast<size_t>(*size)) {
        return start.error(
            fmt::format("@{} has {} bytes, not {}", hash, found->bytes.size(), *size));
      }
      TENON_TRY(std::string name, optional_label());
      return module_.add_data({type, found->bytes, std::move(name)});
    }
    if (cursor_.accept("_")) {
      TENON_TRY(std::string name, optional_label());
      return module_.add_data({type, {}, std::move(name)});
    }
    std::vector<std::byte> bytes;
    TENON_TRY_DO(list("[", "]", [&]() -> Result<void> {
      bytes.resize(bytes.size() + size_of(type.dtype));
      return element(type.dtype, &bytes[bytes.size() - size_of(type.dtype)]);
    }));
    if (bytes.size() != static_cast<size_t>(*size)) {
      return start.error("another number of elements than the type says");
    }
    TENON_TRY(std::string name, optional_label());
    return module_.add_owned_data(type, bytes, std::move(name));
  }

  Result<std::string> symbol_name() {
    if (cursor_.sees_quote()) return cursor_.quoted_text();
    TENON_TRY(const std::string_view word, cursor_.word());
    return std::string(word);
  }

  Result<void> read_size() {
    const TextCursor start = cursor_;
    TENON_TRY(const std::string symbol, symbol_name());
    if (module_.dims.read_symbols().contains(symbol)) {
      return start.error(fmt::format("the size '{}' is given twice", symbol));
    }
    TENON_TRY_DO(cursor_.expect("="));
    TENON_TRY(const ValueId value, reference());
    TENON_TRY_DO(cursor_.expect("at"));
    TENON_TRY_DO(cursor_.expect("most"));
    TENON_TRY(const Dim largest, dim());
    module_.dims.read(symbol, largest);
    module_.read_sizes.push_back({symbol, value});
    return {};
  }

  Result<void> limit() {
    TENON_TRY(const std::string symbol, symbol_name());
    TENON_TRY(const int64_t largest, cursor_.integer());
    module_.dims.limit(symbol, largest);
    return {};
  }

  Result<void> placement() {
    TENON_TRY(const ValueId value, reference());
    Placement result{.storage = value};
    if (cursor_.accept("in")) {
      TENON_TRY(result.storage, reference());
    }
    TENON_TRY_DO(list("{", "}", [&]() -> Result<void> {
      const TextCursor start = cursor_;
      TENON_TRY(const std::string_view name, cursor_.word());
      TENON_TRY_DO(cursor_.expect("="));
      if (name == "offset") {
        TENON_TRY(result.offset, dim());
      } else if (name == "size") {
        TENON_TRY(result.size, dim());
      } else if (name == "strides") {
        TENON_TRY(result.strides, dims());
      } else if (name == "halo") {
        TENON_TRY(result.halo, items<int64_t>([this] { return cursor_.integer(); }));
      } else {
        return start.error("expected 'offset', 'size', 'strides' or 'halo'");
      }
      return {};
    }));
    module_.placements.resize(module_.value_count());
    module_.placements[value.index] = std::move(result);
    return {};
  }

  Result<void> group() {
    Group result;
    TENON_TRY(result.nodes, items<NodeId>([this] { return node_reference(); }));
    if (cursor_.accept("anchor")) {
      TENON_TRY(result.anchor, node_reference());
    }
    module_.groups.push_back(std::move(result));
    return {};
  }

  TextCursor cursor_;
  const DataResolver& resolve_;
  Module module_;
  std::unordered_map<int64_t, ValueId> values_;
  std::unordered_set<int64_t> defined_;
  std::map<std::pair<std::string, std::string>, OriginId> origins_;
};

}  // namespace

Result<Module> parse_module(std::string_view text, const DataResolver& resolve) {
  return Parser(text, resolve).parse();
}

}  // namespace tenon::ir
