// Everything that reads files or text.
#pragma once

#include "fuzz/fuzz.h"

namespace tenon::fuzz {

Target onnx_target();        ///< the wire format and the importer
Target pt2_target();         ///< archives of torch.export.save
Target aten_target();        ///< the JSON of their graphs
Target expression_target();  ///< the symbolic sizes in it
Target operators_target();   ///< definitions of custom operators
Target graph_target();       ///< text of graphs
Target loop_target();        ///< text of loop functions
Target state_target();       ///< text of the pipeline's state
Target artifact_target();    ///< .tenon files, their hashes made right again
Target npy_target();
Target npz_target();

}  // namespace tenon::fuzz
