package image

import "time"

// Media types of the image-spec and their docker schema 2 twins.
const (
	MediaTypeIndex       = "application/vnd.oci.image.index.v1+json"
	MediaTypeManifest    = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeConfig      = "application/vnd.oci.image.config.v1+json"
	MediaTypeLayer       = "application/vnd.oci.image.layer.v1.tar"
	MediaTypeLayerGzip   = "application/vnd.oci.image.layer.v1.tar+gzip"
	MediaTypeLayerZstd   = "application/vnd.oci.image.layer.v1.tar+zstd"
	MediaTypeDockerList  = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeDockerImage = "application/vnd.docker.distribution.manifest.v2+json"
)

// annotationRefName holds an image's name in index.json (image-spec,
// annotations.md). berth writes the full docker reference.
const annotationRefName = "org.opencontainers.image.ref.name"

// annotationDigest, on a row of index.json, is the digest by which the registry
// that the name is of knows the image: of its index when it has one for several
// platforms, of its manifest else. Pull and push set it.
const annotationDigest = "dev.berth.digest"

// annotationBox marks the embedded image with the digest of the archive that it
// was imported from, so that a newer berth can tell an old box.
const annotationBox = "dev.berth.box"

// Descriptor points at a blob (image-spec, descriptor.md). Size is in bytes.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       Digest            `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Platform     *Platform         `json:"platform,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

// Platform says what an image runs on, in Go's words for OS and architecture.
type Platform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
}

// Index lists manifests (image-spec, image-index.md).
type Index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	Manifests     []Descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Manifest lists the blobs of one image (image-spec, manifest.md).
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// ImageConfig is the blob whose digest is the image's id (image-spec,
// config.md, with docker's extensions).
type ImageConfig struct { //nolint:revive // the spec calls it so, and Config is a part of it
	Created      *time.Time `json:"created,omitempty"`
	Author       string     `json:"author,omitempty"`
	Architecture string     `json:"architecture"`
	OS           string     `json:"os"`
	OSVersion    string     `json:"os.version,omitempty"`
	OSFeatures   []string   `json:"os.features,omitempty"`
	Variant      string     `json:"variant,omitempty"`
	Config       Config     `json:"config"`
	RootFS       RootFS     `json:"rootfs"`
	History      []History  `json:"history,omitempty"`
}

// Config holds the defaults a container of the image starts with.
type Config struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	Healthcheck  *Healthcheck        `json:"Healthcheck,omitempty"`
	Shell        []string            `json:"Shell,omitempty"`
	ArgsEscaped  bool                `json:"ArgsEscaped,omitempty"`
	OnBuild      []string            `json:"OnBuild,omitempty"`
}

// Healthcheck is docker's extension to Config. Durations are nanoseconds in
// JSON; a zero one means docker's default.
type Healthcheck struct {
	Test          []string      `json:"Test,omitempty"`
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

// RootFS names the layers by the digests of their uncompressed tars, bottom
// first.
type RootFS struct {
	Type    string   `json:"type"`
	DiffIDs []Digest `json:"diff_ids"`
}

// History tells how a layer came to be.
type History struct {
	Created    *time.Time `json:"created,omitempty"`
	CreatedBy  string     `json:"created_by,omitempty"`
	Author     string     `json:"author,omitempty"`
	Comment    string     `json:"comment,omitempty"`
	EmptyLayer bool       `json:"empty_layer,omitempty"`
}
