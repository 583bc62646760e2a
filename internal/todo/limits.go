package todo

// Bounds of our own: no source gives those of Microsoft's service, and a lower
// bound would refuse data that a real account holds (docs/divergences.md).
const (
	MaxTitle           = 4_000     // characters of a title or a name
	MaxBody            = 1_048_576 // bytes of a task's body
	MaxURL             = 8_192     // bytes of a linked resource's webUrl
	MaxChecklistItems  = 1_000     // steps of one task
	MaxLinkedResources = 100       // linked resources of one task
	MaxCategories      = 100       // categories of one task
	MaxCategory        = 255       // characters of a category's name
	MaxExtensions      = 32        // open extensions of one resource
	MaxExtension       = 65_536    // bytes of one open extension as JSON
	MaxInterval        = 9_999     // days, weeks, months or years between occurrences
	MaxOccurrences     = 99_999    // occurrences of a numbered series

	MaxAttachment      = 25 << 20 // bytes of a file (Graph's own limit)
	MaxSmallAttachment = 3 << 20  // bytes of a file that a POST brings (Graph's own limit)
	MaxAttachments     = 1_000    // files of one task, with those being uploaded
	MaxAttachmentName  = 1_024    // characters of a file's name
	MaxContentType     = 255      // characters of a file's content type
	MaxUploadSessions  = 1_000    // open upload sessions of one mailbox
)

// Those of a mailbox beside its tasks.
const (
	MaxMasterCategories = 1_000 // master categories
	MaxFormat           = 64    // characters of a format of dates or times
	MaxTranslated       = 1_000 // ids that one call of translateExchangeIds takes
	MaxExchangeID       = 1_024 // bytes of one of them
)
