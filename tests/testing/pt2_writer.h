// A small file of torch.export.save: y = relu_(x @ weight^T), x [n, 2] with an open size.
#pragma once

#include <string>
#include <vector>

#include "testing/zip_writer.h"

namespace tenon::testing {

inline std::string pt2_meta(const std::string& rows) {
  return R"j({"dtype":7,"sizes":[)j" + rows +
         R"j(,{"as_int":2}],"requires_grad":false,"device":{"type":"cpu","index":null},)j"
         R"j("strides":[{"as_int":2},{"as_int":1}],"storage_offset":{"as_int":0},"layout":7})j";
}

inline std::string pt2_graph() {
  const std::string open =
      R"j({"as_expr":{"expr_str":"Symbol('s0', positive=True, integer=True)","hint":{"as_int":4}}})j";
  return R"j({"graph_module":{"graph":{"inputs":[{"as_tensor":{"name":"w"}},{"as_tensor":{"name":"x"}}],)j"
         R"j("outputs":[{"as_tensor":{"name":"r"}}],"nodes":[)j"
         R"j({"target":"torch.ops.aten.linear.default","inputs":[)j"
         R"j({"name":"input","arg":{"as_tensor":{"name":"x"}},"kind":1},)j"
         R"j({"name":"weight","arg":{"as_tensor":{"name":"w"}},"kind":1}],)j"
         R"j("outputs":[{"as_tensor":{"name":"l"}}],"metadata":{"stack_trace":)j"
         R"j("File \"model.py\", line 7, in forward\n    return self.fc(x)"}},)j"
         R"j({"target":"torch.ops.aten.relu_.default","inputs":[)j"
         R"j({"name":"self","arg":{"as_tensor":{"name":"l"}},"kind":1}],)j"
         R"j("outputs":[{"as_tensor":{"name":"r"}}],"metadata":{}}],"tensor_values":{"w":)j" +
         pt2_meta(R"j({"as_int":2})j") + R"j(,"x":)j" + pt2_meta(open) + R"j(,"l":)j" +
         pt2_meta(open) + R"j(,"r":)j" + pt2_meta(open) +
         R"j(},"sym_int_values":{}},"signature":{"input_specs":[)j"
         R"j({"parameter":{"arg":{"name":"w"},"parameter_name":"fc.weight"}},)j"
         R"j({"user_input":{"arg":{"as_tensor":{"name":"x"}}}}],"output_specs":[)j"
         R"j({"user_output":{"arg":{"as_tensor":{"name":"r"}}}}]}},)j"
         R"j("range_constraints":{"s0":{"min_val":1,"max_val":8}},)j"
         R"j("schema_version":{"major":8,"minor":14},"torch_version":"2.9.0"})j";
}

/// weight is [[1, -1], [0, 2]].
inline std::vector<ZipEntry> pt2_entries() {
  const float weight[] = {1, -1, 0, 2};
  return {{"m/archive_format", "pt2"},
          {"m/archive_version", "0"},
          {"m/byteorder", "little"},
          {"m/data/weights/weight_0",
           std::string(reinterpret_cast<const char*>(weight), sizeof(weight))},
          {"m/data/weights/model_weights_config.json",
           R"j({"config":{"fc.weight":{"path_name":"weight_0","is_param":true,"use_pickle":false,)j"
           R"j("tensor_meta":)j" +
               pt2_meta(R"j({"as_int":2})j") + "}}}"},
          {"m/models/model.json", pt2_graph()}};
}

}  // namespace tenon::testing
