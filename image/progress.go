package image

// Stage is what is being done with one blob of a pull or a push.
type Stage int

// The stages of a blob, in the order in which they follow each other.
const (
	// StageWaiting: it is known that the blob is needed.
	StageWaiting Stage = iota
	// StageDownloading and StageUploading count bytes as they travel.
	StageDownloading
	StageUploading
	// StageExtracting: all bytes are here and verified; what is left is unpacking.
	StageExtracting
	// StageRetrying: the transfer broke and goes on where it was.
	StageRetrying
	// StageDone: pulled and unpacked, or pushed.
	StageDone
	// StageExists: it was there already.
	StageExists
	// StageMounted: the registry took it from another repository of its own.
	StageMounted
)

// Progress is one step of a pull or a push.
type Progress struct {
	// Blob is the blob as the manifest names it.
	Blob Digest
	// Stage is what is done with it now.
	Stage Stage
	// Done and Total are bytes of the blob.
	Done, Total int64
	// From is the repository that a mounted blob came from.
	From string
}
