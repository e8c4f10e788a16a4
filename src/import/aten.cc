#include "import/aten.h"

#include "import/pt2/graph_importer.h"
#include "import/pt2/schema.h"

namespace tenon::import {

Result<ir::Module> import_aten(std::string_view json, const Payloads& payloads,
                               const ImportOptions& options) {
  TENON_TRY(const pt2::Program program, pt2::read_program(json, options.limits));
  pt2::GraphImporter importer(program, payloads, options);
  try {
    return importer.run();
  } catch (const InternalError& error) {
    return fail(ErrorKind::kInternal, error.what(), importer.where(), "this is a bug in Tenon");
  }
}

}  // namespace tenon::import
